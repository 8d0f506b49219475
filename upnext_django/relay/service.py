"""The thread that brings to Redis what committing processes left in the outbox."""

from __future__ import annotations

import time
from typing import Final

from django.db import DatabaseError, InterfaceError, connections

from upnext_django.broker.broker import Broker
from upnext_django.broker.lease import Lease
from upnext_django.connection import label_of
from upnext_django.outbox.databases import with_outbox
from upnext_django.relay.database import DatabaseRelay
from upnext_django.standby import StandbyService

__all__ = ["RelayService", "relay_once"]

_LOOK_S: Final = 0.5
_DATABASES_S: Final = 30.0


class RelayService(StandbyService):
    """Empties the outboxes of all databases that have one, for the Redis of ``broker``.

    Of all relays of a namespace one is active, by a lease in Redis. It reads and deletes without a
    transaction of its own, so it holds no lock while it waits for Redis. Two that are active at once,
    after one was paused, send the same ids, which Redis takes once.
    """

    name = "relay"
    brings_jobs = True
    longest_pause_s = 2.0

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._lease = Lease(broker.clients, broker.names.relay_lease(label_of(broker)))
        self._databases: dict[str, DatabaseRelay] = {}
        self._databases_due = 0.0

    def take_lease(self, owner: str, ttl_ms: int) -> bool:
        return self._lease.take(owner, ttl_ms)

    def drop_lease(self, owner: str) -> None:
        self._lease.drop(owner)

    def work(self) -> None:
        self._find_databases()
        at_once = self.is_drain_wanted
        moved = sum(one.move_or_wait(self._may_go_on, at_once=at_once) for one in self._databases.values())
        for alias in self._databases:
            # With DEBUG Django keeps the text of every statement, and this is a thread without requests.
            connections[alias].queries_log.clear()
        if not moved and not self.is_drain_wanted:
            self.wait(_LOOK_S)

    def is_drained(self) -> bool:
        self._find_databases()
        try:
            empty = all(one.is_empty() for one in self._databases.values())
        except (DatabaseError, InterfaceError):
            empty = False
        if not empty:
            self.wait(_LOOK_S)
        return empty

    def forget(self) -> None:
        self._databases = {}
        self._databases_due = 0.0

    def _may_go_on(self) -> bool:
        return not self.is_stopping and self.is_active()

    def _find_databases(self) -> None:
        now = time.monotonic()
        if now >= self._databases_due:
            self._databases_due = now + _DATABASES_S
            for alias in with_outbox():
                if alias not in self._databases:
                    self._databases[alias] = DatabaseRelay(self._broker, alias)


def relay_once(broker: Broker) -> int:
    """Send in this thread what the outboxes hold for the Redis of ``broker``; returns how many rows went.

    It sees what the caller's transaction sees, and asks for no lease: an active relay does it no harm.
    Raises RedisUnavailable, DatabaseError and InterfaceError.
    """
    count = 0
    for alias in with_outbox():
        database = DatabaseRelay(broker, alias)
        while moved := database.move(lambda: True, at_once=True):
            count += moved
    return count
