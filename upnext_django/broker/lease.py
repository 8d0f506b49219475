"""The right of one process of a namespace to do something for all: a key with its owner, which expires."""

from __future__ import annotations

from enum import StrEnum

from upnext_django.broker.clients import Clients
from upnext_django.broker.link import SyncLink

__all__ = ["Lease", "LeaseAnswer", "drop", "take"]

_TAKE = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 'HELD' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return owner and 'RENEWED' or 'TAKEN'
"""
_DROP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class LeaseAnswer(StrEnum):
    TAKEN = "TAKEN"
    RENEWED = "RENEWED"  # it was the owner's already
    HELD = "HELD"  # it is another owner's


def take(link: SyncLink, key: str, owner: str, ttl_ms: int) -> LeaseAnswer:
    """Take or renew the lease ``key`` for ``ttl_ms``."""
    return LeaseAnswer(link.execute([b"EVAL", _TAKE, 1, key, owner, ttl_ms]).decode())


def drop(link: SyncLink, key: str, owner: str | bytes) -> None:
    """Give the lease ``key`` back if it is ``owner``'s."""
    link.execute([b"EVAL", _DROP, 1, key, owner])


class Lease:
    """One lease, on the connections that a process has for sync callers."""

    def __init__(self, clients: Clients, key: str) -> None:
        self._clients = clients
        self._key = key

    def take(self, owner: str, ttl_ms: int) -> bool:
        """Take or renew it; False if another owner holds it. Raises RedisUnavailable."""
        with self._clients.sync() as link:
            return take(link, self._key, owner, ttl_ms) is not LeaseAnswer.HELD

    def drop(self, owner: str) -> None:
        """Give it back if it is ``owner``'s. Raises RedisUnavailable."""
        with self._clients.sync() as link:
            drop(link, self._key, owner)

    def is_held(self) -> bool:
        """Return whether anybody has it. Raises RedisUnavailable."""
        with self._clients.sync() as link:
            return bool(link.execute([b"EXISTS", self._key]))
