"""Event streams in memory, for the service's tests: one mirror reads them, dies, and another goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from upnext_django.core.job import JobMove
from upnext_django.exceptions import RedisUnavailable

__all__ = ["Batch", "Streams"]


@dataclass(frozen=True)
class Batch:
    queue: str
    entry_id: str
    moves: list[JobMove]
    broken: tuple[bytes, ...] = ()


@dataclass
class Streams:
    """The mirror's view of a Redis that keeps every entry until it is acknowledged."""

    entries: dict[str, Batch] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    ttls: list[tuple[str, str, int]] = field(default_factory=list)
    owner: str | None = None
    away: bool = False
    registered_workers: dict[str, dict[str, Any]] = field(default_factory=dict)
    registered_functions: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: threading.Condition = field(default_factory=threading.Condition)
    made: int = 0

    @property
    def events(self) -> Streams:
        return self

    def tell(self, *moves: JobMove, queue: str = "q", broken: tuple[bytes, ...] = ()) -> None:
        with self.told:
            self.made += 1
            self.entries[f"{self.made}-0"] = Batch(queue, f"{self.made}-0", list(moves), broken)
            self.told.notify_all()

    def set_away(self, away: bool) -> None:
        with self.told:
            self.away = away

    def read(self, count: int, block_ms: int) -> Sequence[Batch]:
        with self.told:
            self._answer()
            self.told.wait_for(self._undelivered, block_ms / 1000)
            found = self._undelivered()[:count]
            self.delivered.update(batch.entry_id for batch in found)
            return found

    def ack(self, batches: Sequence[Any], *, ttls: Sequence[tuple[str, str, int]]) -> None:
        with self.told:
            self._answer()
            for batch in batches:
                self.entries.pop(batch.entry_id, None)
            self.ttls.extend(ttls)

    def lag(self) -> int:
        with self.told:
            self._answer()
            return len(self.entries)

    def lease(self, owner: str, ttl_ms: int) -> bool:
        with self.told:
            self._answer()
            if self.owner in (None, owner):
                self.owner = owner
                return True
            return False

    def release(self, owner: str) -> None:
        with self.told:
            self._answer()
            if self.owner == owner:
                self.owner = None

    def close(self) -> None:
        with self.told:
            self.delivered.clear()

    def workers(self) -> dict[str, dict[str, Any]]:
        with self.told:
            self._answer()
            return dict(self.registered_workers)

    def functions(self) -> dict[str, dict[str, Any]]:
        with self.told:
            self._answer()
            return dict(self.registered_functions)

    def _undelivered(self) -> list[Batch]:
        return [batch for batch in self.entries.values() if batch.entry_id not in self.delivered]

    def _answer(self) -> None:
        if self.away:
            raise RedisUnavailable("Redis is away", url="redis://:***@example.invalid")
