"""Which function and which tree a job is of: a move names neither, but for the submit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from upnext_django import conf
from upnext_django.broker.feed import FeedEntry
from upnext_django.core.lifecycle import TERMINAL, Move
from upnext_django.models import JobRecord

__all__ = ["Lineage"]

#: The jobs that are remembered while they have not ended.
_MOST: Final = 20_000
_AT_ONCE: Final = 500


class _Submit(msgspec.Struct, frozen=True):
    function: str = msgspec.field(name="fn", default="")
    root: str | None = None


_decode = msgspec.json.Decoder(_Submit).decode


class Lineage:
    """Remembers jobs from their submit to their end; asks the history for those that began earlier.

    A row is there before its move is in the feed, so whoever is not remembered is found. For one thread.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def note(self, entries: Iterable[FeedEntry]) -> set[str]:
        """Remember the jobs whose submits are in ``entries``; return those that must be looked up."""
        unknown: set[str] = set()
        for entry in entries:
            for move in entry.moves:
                if move.move in (Move.SUBMITTED, Move.DUPLICATED):
                    self._known[move.job_id] = _of_submit(move.job_id, move.data)
                elif move.job_id not in self._known:
                    unknown.add(move.job_id)
        return unknown - self._known.keys()

    def look_up(self, job_ids: Iterable[str]) -> None:
        """Ask the history for jobs; one query for 500. Raises DatabaseError."""
        wanted = sorted(job_ids)
        rows = JobRecord.objects.using(conf.get().database)
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            for job_id, function, root_id in rows.filter(pk__in=part).values_list(
                "id", "function", "root_id"
            ):
                self._known[job_id] = function, root_id or job_id

    def of(self, job_id: str) -> tuple[str, str]:
        """Return the function and the root of a job; "" and its own id where nobody knows."""
        return self._known.get(job_id) or ("", job_id)

    def forget_ended(self, entries: Iterable[FeedEntry]) -> None:
        """Forget the jobs that ended in ``entries``, and beyond 20,000 those that are remembered longest."""
        for entry in entries:
            for move in entry.moves:
                if move.status in TERMINAL:
                    self._known.pop(move.job_id, None)
        for job_id in list(self._known)[: max(0, len(self._known) - _MOST)]:
            del self._known[job_id]


def _of_submit(job_id: str, data: bytes) -> tuple[str, str]:
    try:
        found = _decode(data)
    except msgspec.DecodeError:
        return "", job_id
    return found.function, found.root or job_id
