"""Cron expressions as users write them: read field by field, in numbers, and refused where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from upnext_django.exceptions import DefinitionError

__all__ = ["Expression", "parse_expression"]

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = 200
_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Two digits and no repeats: nothing that is read here can make a list longer than its field.
_ITEM = re.compile(r"(?:(\*|\?)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_NTH_DAY = re.compile(r"[0-7]#[1-5]|l[0-7]")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_SECOND = _Field("second", 0, 59)
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One expression, read. ``text`` is what the user wrote.

    ``fields`` are six, seconds first, in numbers only. ``repeats`` says that its second, minute or hour is
    an interval (``*``, ``*/5``), so it runs by the time that passes; ``every_hour`` that its hour is.
    """

    text: str
    fields: str
    repeats: bool
    every_hour: bool


def parse_expression(text: str) -> Expression:
    """Return the expression of five fields, or of six with the second first, or of an alias (``@daily``).

    A field is ``*``, a number, a range, a list of them, each with ``/step``; months and days of the week
    have names too. ``L`` is the last day of the month, ``5#2`` the second Friday, ``L5`` the last. With both
    a day of the month and one of the week, either is enough. Raises DefinitionError for anything else, and
    for a day that no month of it has.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise _refused(text, f"it is a text of at most {_LONGEST} characters")
    given = text.strip().lower()
    if given.startswith("@") and given not in _ALIASES:
        raise _refused(text, f"the names are {', '.join(_ALIASES)}")
    parts = _ALIASES.get(given, given).split()
    if len(parts) not in (5, 6):
        raise _refused(text, f"it has {len(parts)} fields; write five, or six with the seconds first")
    fields = (_SECOND, *_FIELDS)[6 - len(parts) :]
    read = [_read(text, field, part) for field, part in zip(fields, parts, strict=True)]
    if len(read) == 5:
        read.insert(0, ("0", {0}, False))
    _refuse_missing_days(text, read[3], read[4], read[5])
    return Expression(
        text=text,
        fields=" ".join(written for written, _, _ in read),
        repeats=any(interval for _, _, interval in read[:3]),
        every_hour=read[2][2],
    )


_Read = tuple[str, set[int], bool]


def _read(text: str, field: _Field, part: str) -> _Read:
    """Return a field in numbers, the values it names (none for L and #) and whether it is an interval."""
    written: list[str] = []
    values: set[int] = set()
    interval = False
    for item in part.split(","):
        if item == "l" and field.name == "day of the month":
            written.append(item)
            continue
        numbers = _in_numbers(field, item)
        if field.high == 7 and _NTH_DAY.fullmatch(numbers):
            written.append(numbers.replace("7", "0", 1))
            continue
        match = _ITEM.fullmatch(numbers)
        if match is None:
            raise _refused(text, f"{item!r} is no {field.name}")
        star, first, last, step = match.groups()
        if star == "?" and not field.name.startswith("day"):
            raise _refused(text, f"'?' stands for any day only; write * for any {field.name}")
        low, high = (field.low, field.high) if star else (int(first), int(last or first))
        if step is not None and last is None and not star:
            high = field.high
        if not field.low <= low <= field.high or not field.low <= high <= field.high:
            raise _refused(
                text, f"{item!r} is outside {field.low}-{field.high}, the range of the {field.name}"
            )
        if low > high:
            raise _refused(text, f"{item!r} runs backwards; write {low}-{field.high},{field.low}-{high}")
        if step is not None and not 1 <= int(step) <= field.high:
            raise _refused(text, f"the step of {item!r} must be 1 to {field.high}")
        interval = interval or bool(star) or step is not None
        values.update(range(low, high + 1, int(step or 1)))
        written.append(_written(star, low, high, step))
    interval = interval or values >= set(range(field.low, field.high + 1))
    return ",".join(written), values, interval


def _in_numbers(field: _Field, item: str) -> str:
    """Return ``item`` with its names as numbers. Sunday at a range's end is 7, as in fri-sun."""
    if not field.names:
        return item
    item = re.sub(r"-sun\b", "-7", item) if field.high == 7 else item
    for number, name in enumerate(field.names, field.low):
        item = re.sub(rf"\b{name}\b", str(number), item)
    return item


def _written(star: str | None, low: int, high: int, step: str | None) -> str:
    if star:
        return "*" if step is None else f"*/{step}"
    if low == high:
        return str(low)
    return f"{low}-{high}" if step is None else f"{low}-{high}/{step}"


def _refuse_missing_days(text: str, days: _Read, months: _Read, weekdays: _Read) -> None:
    """Refuse the 30th of February. A day of the week beside it is enough for a run."""
    if "l" in days[0] or weekdays[0] not in ("*", "*/1"):
        return
    if not any(min(days[1]) <= _MOST_DAYS[month - 1] for month in months[1]):
        raise _refused(text, f"no month of it has a day {min(days[1])}, so it would never run")


def _refused(text: object, why: str) -> DefinitionError:
    shown = repr(text if not isinstance(text, str) else text[:80])
    return DefinitionError(
        f"cron {shown}: {why}. An expression is minute, hour, day, month and day of the week, "
        'like "0 9 * * *" for each day at 9:00, "*/5 * * * *" or "@daily".'
    )
