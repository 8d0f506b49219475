"""The server: is it there, new enough, does it keep its data, does it throw any away, what time has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from upnext_django.broker.server import ServerFacts
from upnext_django.connection import get_broker
from upnext_django.operations.health.finding import Finding, State

__all__ = ["check_server"]

_OLDEST: Final = {False: (7, 0), True: (7, 2)}
_SKEW_S: Final = 1.0
_BAD_SKEW_S: Final = 30.0
_FULL: Final = 0.9
_FORBIDDEN: Final = "the server does not tell (INFO or CONFIG is forbidden)"


def check_server() -> Iterator[Finding]:
    """Raises RedisUnavailable if it is not there."""
    broker = get_broker()
    facts = broker.inspector.server()
    yield _version(facts, broker.url_masked)
    yield _persistence(facts)
    yield _eviction(facts)
    yield _memory(facts)
    yield _clock(facts)


def _version(facts: ServerFacts, url: str) -> Finding:
    if facts.version is None or facts.is_valkey is None:
        return Finding(
            name="redis",
            state=State.UNKNOWN,
            found=f"{url} answers; its version: {_FORBIDDEN}.",
            fix="See to it that it is Redis 7.0 or Valkey 7.2, or newer.",
        )
    kind = "Valkey" if facts.is_valkey else "Redis"
    oldest = _OLDEST[facts.is_valkey]
    numbers = tuple(int(part) for part in re.findall(r"\d+", facts.version)[:2])
    found = f"{kind} {facts.version} at {url}, {facts.trip_s * 1000:.1f} ms away."
    if numbers < oldest:
        least = ".".join(map(str, oldest))
        return Finding(name="redis", state=State.FAIL, found=found, fix=f"Run {kind} {least} or newer.")
    return Finding(name="redis", state=State.OK, found=found)


def _persistence(facts: ServerFacts) -> Finding:
    name = "persistence"
    if facts.aof is None:
        return Finding(
            name=name,
            state=State.UNKNOWN,
            found=f"{_FORBIDDEN.capitalize()}.",
            fix="Turn on what your provider calls persistence or AOF: jobs are data.",
        )
    if facts.aof and facts.aof_works is False:
        return Finding(
            name=name,
            state=State.FAIL,
            found="Its last write to the append-only file failed.",
            fix="Look into the server's log; mostly its disk is full.",
        )
    if facts.aof:
        return Finding(name=name, state=State.OK, found="appendonly is on.")
    fix = "Set appendonly yes, in the configuration and by CONFIG SET: jobs are data."
    if facts.save == "":
        return Finding(
            name=name,
            state=State.FAIL,
            found="appendonly and save are off: a restart of the server loses every job.",
            fix=fix,
        )
    kept = "snapshots alone" if facts.save else "appendonly is off; snapshots, if at all"
    return Finding(
        name=name,
        state=State.WARN,
        found=f"It keeps {kept}: a crash loses the jobs since the last one.",
        fix=fix,
    )


def _eviction(facts: ServerFacts) -> Finding:
    name = "eviction"
    if facts.policy is None:
        return Finding(
            name=name,
            state=State.UNKNOWN,
            found=f"{_FORBIDDEN.capitalize()}.",
            fix="Set maxmemory-policy to noeviction where your provider lets you.",
        )
    if facts.policy == "noeviction":
        return Finding(name=name, state=State.OK, found="maxmemory-policy is noeviction.")
    bounded = bool(facts.max_memory)
    return Finding(
        name=name,
        state=State.FAIL if bounded else State.WARN,
        found=f"maxmemory-policy is {facts.policy}"
        + (": a full server throws jobs away." if bounded else "; no maxmemory is set, so it has no effect."),
        fix="Set maxmemory-policy noeviction, and give caches a server of their own.",
    )


def _memory(facts: ServerFacts) -> Finding:
    if facts.used_memory is None or facts.max_memory is None:
        return Finding(name="memory", state=State.UNKNOWN, found=f"{_FORBIDDEN.capitalize()}.")
    used = f"{facts.used_memory / 2**20:,.0f} MiB"
    if not facts.max_memory:
        return Finding(name="memory", state=State.OK, found=f"{used} used; no maxmemory is set.")
    share = facts.used_memory / facts.max_memory
    found = f"{used} used, {share:.0%} of maxmemory."
    if share < _FULL:
        return Finding(name="memory", state=State.OK, found=found)
    return Finding(
        name="memory",
        state=State.WARN,
        found=found,
        fix="Raise maxmemory: a full server refuses submits. Pass ids instead of big arguments; lower "
        "result_ttl.",
    )


def _clock(facts: ServerFacts) -> Finding:
    skew_s = max(0.0, abs(facts.ahead_s) - facts.trip_s / 2)
    side = "ahead of" if facts.ahead_s > 0 else "behind"
    found = f"The clock of Redis is {abs(facts.ahead_s):.3f} s {side} this one."
    if skew_s <= _SKEW_S:
        return Finding(name="clock", state=State.OK, found=found)
    return Finding(
        name="clock",
        state=State.FAIL if skew_s > _BAD_SKEW_S else State.WARN,
        found=found,
        fix="Synchronise both machines (NTP): delays given as a datetime are early or late by as much.",
    )
