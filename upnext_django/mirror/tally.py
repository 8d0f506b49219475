"""Counting the ends of attempts by minute, by hour and in all, each of them once.

Rows may be written again and stay the same; a count may not. So the newest counted entry of each queue's
events is kept in the same transaction as the counts: an entry that comes again, because a mirror died
between its commit and its acknowledgement, is at or below it and only written, not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from upnext_django.core.buckets import bucket_of
from upnext_django.mirror.ports import EventBatch
from upnext_django.mirror.rows import CursorRow, End, StatRow
from upnext_django.models import StatCursor

__all__ = ["Tally", "cursor_rows", "stat_rows"]

_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_EVER = 0

_Position = tuple[int, int]
_Key = tuple[int, int, str, str, str, int]


class Tally:
    """Where counting stands in each queue, for the one active mirror."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._positions: dict[str, _Position] | None = None

    def forget(self) -> None:
        """Read the positions from the database before the next count: another mirror may have counted."""
        self._positions = None

    def is_new(self, batch: EventBatch) -> bool:
        """Return whether an entry has not been counted."""
        if self._positions is None:
            rows = StatCursor.objects.using(self._using).values_list("queue", "entry_id")
            self._positions = {queue: _position(entry_id) for queue, entry_id in rows}
        return _position(batch.entry_id) > self._positions.get(batch.queue, (0, 0))

    def counted(self, rows: Iterable[CursorRow]) -> None:
        """Note that the entries up to ``rows`` are counted and committed."""
        if self._positions is not None:
            self._positions.update((row.queue, _position(row.entry_id)) for row in rows)


def cursor_rows(batches: Sequence[EventBatch]) -> list[CursorRow]:
    """Return where counting stands once ``batches`` are counted, in the order of the queues."""
    newest = {batch.queue: batch.entry_id for batch in batches}
    return [CursorRow(queue[:64], newest[queue]) for queue in sorted(newest)]


def stat_rows(ends: Iterable[End], functions: Mapping[str, str]) -> list[StatRow]:
    """Return the counts that ``ends`` add, in the order of their keys.

    ``functions`` has the function of each job whose submit is not in the batch.
    """
    counts: Counter[_Key] = Counter()
    ran_ms: Counter[_Key] = Counter()
    for end in ends:
        function = end.function or functions.get(end.job_id, "")
        if not function:
            continue
        took_ms = max(0, end.ran_ms or 0)
        bound = 0 if end.ran_ms is None else bucket_of(took_ms)
        for period_ms in (_MINUTE_MS, _HOUR_MS, _EVER):
            start = end.at_ms - end.at_ms % period_ms if period_ms else 0
            key = period_ms // 1000, start, function, end.queue, end.outcome, bound
            counts[key] += 1
            ran_ms[key] += took_ms
    return [StatRow(*key, jobs, ran_ms[key]) for key, jobs in sorted(counts.items())]


def _position(entry_id: str) -> _Position:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)
