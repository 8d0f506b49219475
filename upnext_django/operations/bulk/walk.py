"""The next chunk of a selection, at the same cost wherever it is and whatever the filter."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from upnext_django import conf
from upnext_django.operations.deletion import chunk_size

__all__ = ["Chunk", "next_chunk"]

#: Keys that are looked at in one query.
_WINDOW = 500
_BUDGET_S = 0.5


@dataclass(frozen=True, slots=True)
class Chunk:
    """Keys to act on, and the last one that was looked at. ``is_last``: nothing is left to look at."""

    keys: list[str]
    cursor: str
    is_last: bool


def next_chunk(
    matching: QuerySet[Any],
    *,
    lowest: str,
    newest: str,
    cursor: str,
    newest_first: bool,
    budget_s: float = _BUDGET_S,
) -> Chunk:
    """Return the next keys of ``matching`` behind ``cursor`` ("": the first), ``lowest`` to ``newest``.

    It goes through the keys of the whole table and asks which of them match, by their list: no database
    can choose a plan that reads all rows for each chunk. Without a match it goes on for ``budget_s``
    seconds, and returns where it is.
    """
    using = conf.get().database
    size = chunk_size(using, _WINDOW)
    until_s = time.monotonic() + budget_s
    everything = matching.model._default_manager.using(using).filter(pk__gte=lowest, pk__lte=newest)
    everything = everything.order_by("-pk" if newest_first else "pk").values_list("pk", flat=True)
    while True:
        behind = everything
        if cursor:
            behind = everything.filter(pk__lt=cursor) if newest_first else everything.filter(pk__gt=cursor)
        window = list(behind[:size])
        if not window:
            return Chunk([], cursor, True)
        cursor = window[-1]
        found = _matching(matching, window)
        if found or time.monotonic() >= until_s:
            return Chunk(found, cursor, len(window) < size)


def _matching(matching: QuerySet[Any], window: list[str]) -> list[str]:
    found = set(matching.filter(pk__in=window).order_by().values_list("pk", flat=True))
    return [key for key in window if key in found]
