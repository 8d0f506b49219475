"""What a server tells of itself. A managed one may forbid to ask: then the fact is None."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from upnext_django.broker.link import SyncLink

__all__ = ["ServerFacts", "read_server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """Facts of a Redis or Valkey, None where it does not tell.

    ``version`` is Valkey's own for a Valkey, whose ``redis_version`` stays at the last of Redis. ``save`` is
    the setting, "" for no snapshots. ``ahead_s`` is how far its clock is before the one here; half of the
    round trip ``trip_s`` is the error of that.
    """

    is_valkey: bool | None
    version: str | None
    aof: bool | None
    aof_works: bool | None
    save: str | None
    policy: str | None
    max_memory: int | None
    used_memory: int | None
    ahead_s: float
    trip_s: float


def read_server(link: SyncLink) -> ServerFacts:
    """Ask a server for its facts. Raises RedisUnavailable if it is not there."""
    began_s = time.time()
    seconds, micros = link.execute([b"TIME"], doing="asking for its time")
    trip_s = max(0.0, time.time() - began_s)
    told, save = link.pipeline(
        [[b"INFO"], [b"CONFIG", b"GET", b"save"]], doing="asking for its facts", keep_errors=True
    )
    facts = _facts(told)
    valkey = facts.get("valkey_version")
    return ServerFacts(
        is_valkey=None if not facts else valkey is not None,
        version=valkey or facts.get("redis_version"),
        aof=_flag(facts.get("aof_enabled"), "1"),
        aof_works=_flag(facts.get("aof_last_write_status"), "ok"),
        save=None if isinstance(save, ResponseError) or len(save) < 2 else save[1].decode(),
        policy=facts.get("maxmemory_policy"),
        max_memory=_number(facts.get("maxmemory")),
        used_memory=_number(facts.get("used_memory")),
        ahead_s=int(seconds) + int(micros) / 1e6 - (began_s + trip_s / 2),
        trip_s=trip_s,
    )


def _facts(told: Any) -> dict[str, str]:
    if isinstance(told, ResponseError):
        return {}
    lines = (line.partition(":") for line in told.decode(errors="replace").splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def _flag(value: str | None, yes: str) -> bool | None:
    return None if value is None else value == yes


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)
