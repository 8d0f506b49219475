"""Rates like "10/minute": at most so many starts in any window of that length."""

from __future__ import annotations

import re
from dataclasses import dataclass

from upnext_django.exceptions import DefinitionError

__all__ = ["Rate", "parse_rate"]

_UNITS_MS = {
    "s": 1000,
    "sec": 1000,
    "second": 1000,
    "m": 60_000,
    "min": 60_000,
    "minute": 60_000,
    "h": 3_600_000,
    "hour": 3_600_000,
    "d": 86_400_000,
    "day": 86_400_000,
}
_RATE = re.compile(r"\s*([0-9]{1,12})\s*/\s*([0-9]{0,9})\s*([a-z]+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` starts in any ``window_ms`` milliseconds, over the whole cluster."""

    limit: int
    window_ms: int


def parse_rate(text: str) -> Rate:
    """Return the Rate that ``text`` names, like "10/minute", "5/s" or "10/5m".

    Raises DefinitionError for anything else, zero included.
    """
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is not None:
        limit, count, unit = int(match[1]), int(match[2] or 1), _UNITS_MS.get(match[3].lower())
        if limit and count and unit:
            return Rate(limit, count * unit)
    raise DefinitionError(
        f"rate_limit={text!r} is not a rate; write a number above 0, a slash and a time: "
        '"10/minute", "5/s", "100/h", "1000/day" or "10/5m" for ten in five minutes.'
    )
