"""What a cron expression says, in words for operators."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from upnext_django.core.expression import parse_expression
from upnext_django.exceptions import DefinitionError

__all__ = ["in_words"]

_STEP = re.compile(r"(?:\*|0)/([1-9]\d*)")
_MOST_TIMES = 6


def in_words(expression: str) -> str:
    """Return ``expression`` in words, like "at 03:00, Monday to Friday"; "" for one that is too unusual.

    One that makes no sense has no words either.
    """
    try:
        second, minute, hour, day, month, weekday = parse_expression(expression).fields.split()
    except DefinitionError:
        return ""
    time = _time(second, minute, hour)
    days = _days(day, weekday)
    months = "" if month == "*" else _listed(month, lambda number: str(MONTHS[number]))
    if not time or days is None or months is None:
        return ""
    said = ", ".join(part for part in (time, days) if part)
    return _("%(when)s, in %(months)s") % {"when": said, "months": months} if months else said


def _time(second: str, minute: str, hour: str) -> str:
    """Return when within a day, "" if that needs too many words."""
    if not second.isdecimal():
        step = 1 if second == "*" else _step(second)
        if step is None or (minute, hour) != ("*", "*"):
            return ""
        return ngettext("every second", "every %(count)d seconds", step) % {"count": step}
    minutes, hours = _numbers(minute), _numbers(hour)
    if minutes is not None and hours is not None:
        times = [_clock(one, other, second) for one in hours for other in minutes]
        return _("at %(times)s") % {"times": ", ".join(times)} if len(times) <= _MOST_TIMES else ""
    if int(second):
        return ""
    if minutes is not None and len(minutes) == 1:
        return _each_hour(hour, minutes[0])
    step = 1 if minute == "*" else _step(minute)
    if step is None:
        return ""
    often = ngettext("every minute", "every %(count)d minutes", step) % {"count": step}
    if hour == "*":
        return often
    span = re.fullmatch(r"(\d+)-(\d+)", hour)
    if span is not None:
        first, last = _clock(int(span[1]), 0, "0"), _clock(int(span[2]), 59, "0")
        return _("%(often)s from %(first)s to %(last)s") % {"often": often, "first": first, "last": last}
    return ""


def _each_hour(hour: str, minute: int) -> str:
    step = 1 if hour == "*" else _step(hour)
    if step is not None:
        often = ngettext("every hour", "every %(count)d hours", step) % {"count": step}
        return _("%(often)s at minute %(minute)d") % {"often": often, "minute": minute} if minute else often
    span = re.fullmatch(r"(\d+)-(\d+)", hour)
    if span is None:
        return ""
    return _("every hour from %(first)s to %(last)s") % {
        "first": _clock(int(span[1]), minute, "0"),
        "last": _clock(int(span[2]), minute, "0"),
    }


def _days(day: str, weekday: str) -> str | None:
    """Return on which days, "" for every day, None if that needs too many words."""
    of_week = "" if weekday == "*" else _listed(weekday, lambda number: str(WEEKDAYS[(number + 6) % 7]))
    of_month = "" if day == "*" else _of_month(day)
    if of_week is None or of_month is None:
        return None
    # Cron runs where either of the two holds.
    return _(" or ").join(part for part in (of_month, of_week) if part)


def _of_month(day: str) -> str | None:
    if day == "l":
        return _("on the last day of the month")
    numbers = _numbers(day)
    if numbers is None:
        return None
    told = ", ".join(map(str, numbers))
    said = ngettext("on day %(days)s of the month", "on days %(days)s of the month", len(numbers))
    return said % {"days": told}


def _listed(field: str, word: Callable[[int], str]) -> str | None:
    """Return the words of single numbers and ranges of them, None for anything else."""
    told = []
    for part in field.split(","):
        ends = part.split("-")
        if not all(end.isdecimal() for end in ends):
            return None
        first, *last = [word(int(end)) for end in ends]
        told.append(_("%(first)s to %(last)s") % {"first": first, "last": last[0]} if last else first)
    return ", ".join(told)


def _numbers(field: str) -> list[int] | None:
    """Return the numbers of a list of such, None for anything else."""
    parts = field.split(",")
    return sorted({int(part) for part in parts}) if all(part.isdecimal() for part in parts) else None


def _step(field: str) -> int | None:
    found = _STEP.fullmatch(field)
    return None if found is None else int(found[1])


def _clock(hour: int, minute: int, second: str) -> str:
    seconds = f":{int(second):02}" if int(second) else ""
    return f"{hour:02}:{minute:02}{seconds}"
