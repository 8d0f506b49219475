"""The workers as they last told Redis of themselves, and which of them serve a function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from upnext_django import conf
from upnext_django.connection import get_broker

__all__ = ["Crew", "WorkerReport", "reports", "silent_after_s", "workers"]

#: A worker says something every 5 s, or three times a lease; three words may get lost.
_LEAST_SILENCE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """One Worker of a process: ``used`` of its ``slots`` are taken, ``suspended`` jobs wait for others.

    ``capabilities`` has the name, in each queue, of the set of functions that it knows there.
    """

    name: str
    slots: int
    used: int
    suspended: int
    capabilities: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """One worker process. ``age_s`` is how long ago it last said this, by Redis's clock.

    ``state`` is "running", "quiet" (told to take no more work) or "stopping"; ``functions`` are those that
    it knows, in any queue, by identity or alias; ``started_ms`` is by its own clock.
    """

    id: str
    host: str
    pid: int | None
    version: str
    state: str
    started_ms: int | None
    functions: frozenset[str]
    queues: tuple[str, ...]
    age_s: float
    running: int
    stuck_threads: int
    waiting_for_children: frozenset[str]
    crews: tuple[Crew, ...]

    @property
    def is_alive(self) -> bool:
        """Whether it has been heard of lately; a killed one is forgotten after four leases."""
        return self.age_s <= silent_after_s()

    @property
    def takes_work(self) -> bool:
        """Whether it claims jobs: nobody told it to be quiet or to stop."""
        return self.state == "running"

    @property
    def slots(self) -> int:
        return sum(crew.slots for crew in self.crews)

    @property
    def used(self) -> int:
        return sum(crew.used for crew in self.crews)

    def serving(self, queue: str, capabilities: Iterable[str]) -> list[Crew]:
        """Return its Workers that have one of ``capabilities`` in ``queue``."""
        wanted = set(capabilities)
        return [crew for crew in self.crews if crew.capabilities.get(queue) in wanted]


def silent_after_s() -> float:
    """Return after how many seconds of silence a worker counts as gone."""
    return max(_LEAST_SILENCE_S, conf.get().lease_s)


def workers(now_ms: int) -> list[WorkerReport]:
    """Return every worker process that Redis has, by id; ``now_ms`` is the time of Redis."""
    return reports(get_broker().workers(), now_ms)


def reports(told: Mapping[str, Mapping[str, Any]], now_ms: int) -> list[WorkerReport]:
    """Return what workers told of themselves, by id. See workers()."""
    return [_report(worker_id, facts, now_ms) for worker_id, facts in sorted(told.items())]


def _report(worker_id: str, facts: Mapping[str, Any], now_ms: int) -> WorkerReport:
    return WorkerReport(
        id=worker_id,
        host=str(facts.get("host") or ""),
        pid=facts.get("pid"),
        version=str(facts.get("version") or ""),
        # A worker of an earlier version does not say it, and cannot be told.
        state=str(facts.get("state") or "running"),
        started_ms=facts.get("started_ms"),
        functions=frozenset(facts.get("functions") or ()),
        queues=tuple(facts.get("queues") or ()),
        # A worker whose clock is ahead has said it just now.
        age_s=max(0.0, (now_ms - int(facts.get("seen_ms") or 0)) / 1000),
        running=int(facts.get("running") or 0),
        stuck_threads=int(facts.get("stuck_threads") or 0),
        waiting_for_children=frozenset(facts.get("waiting_for_children") or ()),
        crews=tuple(
            Crew(
                name=crew["name"],
                slots=crew["slots"],
                used=crew["used"],
                suspended=crew["suspended"],
                capabilities=crew["capabilities"],
            )
            for crew in facts.get("consumers") or ()
        ),
    )
