"""Throughput, failures and durations over time, from the mirror's counts: never from the jobs themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from upnext_django import conf
from upnext_django.core.buckets import percentile_ms
from upnext_django.models import StatRecord

__all__ = ["Counts", "Point", "Window", "by_function", "by_queue", "series", "total"]


class Window(Enum):
    """A stretch of time up to now and the pieces it is drawn in: its length and theirs, in seconds."""

    HOUR = (3_600, 60)
    DAY = (86_400, 3_600)
    WEEK = (7 * 86_400, 6 * 3_600)

    @property
    def length_s(self) -> int:
        return self.value[0]

    @property
    def piece_s(self) -> int:
        return self.value[1]

    @property
    def period_s(self) -> int:
        """The period of the counts it is made of."""
        return min(self.piece_s, 3_600)

    def first(self, now: datetime) -> datetime:
        """Return the beginning of its first piece: the last piece is the one that ``now`` lies in."""
        current = int(now.timestamp()) // self.piece_s * self.piece_s
        return datetime.fromtimestamp(current - self.length_s + self.piece_s, UTC)


@dataclass(slots=True)
class Counts:
    """Ends of attempts. ``retried`` are those that another attempt followed; durations are in ``buckets``."""

    complete: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    buckets: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def ended(self) -> int:
        """Jobs that reached their final status."""
        return self.complete + self.failed + self.cancelled

    @property
    def success(self) -> float | None:
        """The share of jobs that completed among those that completed or failed; None without any."""
        decided = self.complete + self.failed
        return self.complete / decided if decided else None

    def percentile_s(self, share: float) -> float | None:
        """Return an estimate of the seconds that ``share`` of the attempts did not exceed."""
        found = percentile_ms(self.buckets, share)
        return None if found is None else found / 1000

    @property
    def p50_s(self) -> float | None:
        return self.percentile_s(0.5)

    @property
    def p95_s(self) -> float | None:
        return self.percentile_s(0.95)

    def add(self, outcome: str, bound_ms: int, jobs: int) -> None:
        """Add ``jobs`` ends of one outcome and bucket."""
        match outcome:
            case "complete":
                self.complete += jobs
            case "failed":
                self.failed += jobs
            case "cancelled":
                self.cancelled += jobs
            case _:
                self.retried += jobs
        if bound_ms and outcome != "cancelled":
            self.buckets[bound_ms] += jobs


@dataclass(frozen=True, slots=True)
class Point:
    """The counts of one piece of a window."""

    start: datetime
    counts: Counts


def series(
    window: Window,
    *,
    function: str | None = None,
    queue: str | None = None,
    now: datetime | None = None,
    among: QuerySet[StatRecord] | None = None,
) -> list[Point]:
    """Return the pieces of ``window`` in their order, those without jobs too; one query.

    ``among`` are the counts to add up, None is all of them.
    """
    now = now or timezone.now()
    first = window.first(now)
    pieces = [
        first + timedelta(seconds=window.piece_s * place)
        for place in range(window.length_s // window.piece_s)
    ]
    found = {start: Counts() for start in pieces}
    rows = _rows(window.period_s, first, among)
    if function is not None:
        rows = rows.filter(function=function)
    if queue is not None:
        rows = rows.filter(queue=queue)
    # A week has 168 hours, and some thousand counts in them.
    by_start: dict[datetime, Counts | None] = {}
    for start, outcome, bound_ms, jobs in rows.values_list("start", "outcome", "bound_ms").annotate(
        Sum("jobs")
    ):
        if start not in by_start:
            seconds = int((start - first).total_seconds()) // window.piece_s * window.piece_s
            by_start[start] = found.get(first + timedelta(seconds=seconds))
        counts = by_start[start]
        if counts is not None:
            counts.add(outcome, bound_ms, jobs)
    return [Point(start, found[start]) for start in pieces]


def total(points: Iterable[Point]) -> Counts:
    """Return the counts of all ``points`` together."""
    whole = Counts()
    for point in points:
        for name in ("complete", "failed", "cancelled", "retried"):
            setattr(whole, name, getattr(whole, name) + getattr(point.counts, name))
        for bound, jobs in point.counts.buckets.items():
            whole.buckets[bound] += jobs
    return whole


def by_function(
    window: Window = Window.DAY, *, now: datetime | None = None, among: QuerySet[StatRecord] | None = None
) -> Mapping[str, Counts]:
    """Return the counts of each function over ``window``; one query. ``among`` as in series()."""
    return _by("function", window, now, among)


def by_queue(
    window: Window = Window.DAY, *, now: datetime | None = None, among: QuerySet[StatRecord] | None = None
) -> Mapping[str, Counts]:
    """Return the counts of each queue over ``window``; one query. ``among`` as in series()."""
    return _by("queue", window, now, among)


def _by(
    column: str, window: Window, now: datetime | None, among: QuerySet[StatRecord] | None
) -> Mapping[str, Counts]:
    found: defaultdict[str, Counts] = defaultdict(Counts)
    rows = _rows(window.period_s, window.first(now or timezone.now()), among)
    for value, outcome, bound_ms, jobs in rows.values_list(column, "outcome", "bound_ms").annotate(
        Sum("jobs")
    ):
        found[value].add(outcome, bound_ms, jobs)
    return found


def _rows(period_s: int, first: datetime, among: QuerySet[StatRecord] | None) -> QuerySet[StatRecord, Any]:
    rows = StatRecord.objects.all() if among is None else among
    return rows.using(conf.get().database).filter(period=period_s, start__gte=first)
