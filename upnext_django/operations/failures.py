"""Failures by what they have in common: 2,000 dead letters are often three errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from django.db.models import Case, Count, IntegerField, Max, Min, QuerySet, Value, When
from django.utils import timezone

from upnext_django import conf
from upnext_django.models import AttemptRecord, DeadLetterRecord
from upnext_django.operations import dead_letters, history

__all__ = ["FailureGroup", "example", "group", "groups", "letters"]

_GROUPS = 50
_HOURS = 24

Letters: TypeAlias = QuerySet[DeadLetterRecord]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Open dead letters of one kind. ``by_hour`` counts those of the last 24 hours, the newest hour last."""

    fingerprint: str
    error_type: str
    message: str
    frame: str
    count: int
    first: datetime
    last: datetime
    functions: tuple[str, ...] = ()
    by_hour: Sequence[int] = field(default_factory=tuple)


def groups(
    since: timedelta | None = None, *, limit: int = _GROUPS, among: Letters | None = None
) -> list[FailureGroup]:
    """Return the kinds of failures that wait for a decision, those that failed last first; four queries.

    ``since`` leaves out what failed longer ago, None nothing. ``among`` are the letters that count, None is
    all of them.
    """
    rows = _open(among)
    if since is not None:
        rows = rows.filter(failed_at__gte=timezone.now() - since)
    return _groups(rows, limit)


def group(fingerprint: str, *, among: Letters | None = None) -> FailureGroup | None:
    """Return one kind of failures, None if none of it waits for a decision."""
    found = _groups(letters(fingerprint, among=among), 1)
    return found[0] if found else None


def letters(fingerprint: str, *, among: Letters | None = None) -> Letters:
    """Return the open dead letters of one kind, unordered."""
    return _open(among).filter(fingerprint=fingerprint)


def example(fingerprint: str, *, among: Letters | None = None) -> AttemptRecord | None:
    """Return the last attempt of the newest job that failed so, with its traceback."""
    newest = letters(fingerprint, among=among).order_by("-failed_at").first()
    if newest is None:
        return None
    found = history.attempts(newest.job_id, limit=1, using=conf.get().database)
    return found[0] if found else None


def _open(among: Letters | None) -> Letters:
    return dead_letters.open_letters(among=among).order_by()


def _groups(rows: Letters, limit: int) -> list[FailureGroup]:
    # An index has all that these count by: a letter's own row is read for one of each kind only.
    counted = rows.values("fingerprint").annotate(
        count=Count("fingerprint"), first=Min("failed_at"), last=Max("failed_at")
    )
    found = list(counted.order_by("-last")[:limit])
    prints = [row["fingerprint"] for row in found]
    functions = _functions(rows, prints)
    hours = _hours(rows, prints)
    samples = _samples(rows, prints, [row["last"] for row in found])
    return [
        FailureGroup(
            fingerprint=row["fingerprint"],
            error_type=samples[row["fingerprint"]][0] or "unknown",
            message=samples[row["fingerprint"]][1],
            frame=samples[row["fingerprint"]][2],
            count=row["count"],
            first=row["first"],
            last=row["last"],
            functions=tuple(sorted(functions[row["fingerprint"]])),
            by_hour=hours[row["fingerprint"]],
        )
        for row in found
    ]


def _samples(
    rows: Letters, prints: Sequence[str], lasts: Sequence[datetime]
) -> defaultdict[str, tuple[str | None, str, str]]:
    """Return error type, message and place of each kind, from the letter that failed last."""
    found: defaultdict[str, tuple[str | None, str, str]] = defaultdict(lambda: (None, "", ""))
    columns = ("fingerprint", "error_type", "message", "frame")
    newest = rows.filter(fingerprint__in=prints, failed_at__in=lasts)
    for fingerprint, error_type, message, frame in newest.values_list(*columns).distinct():
        found[fingerprint] = (error_type, message, frame)
    return found


def _functions(rows: Letters, prints: Sequence[str]) -> defaultdict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    pairs = rows.filter(fingerprint__in=prints).values_list("fingerprint", "function_name").distinct()
    for fingerprint, name in pairs:
        found[fingerprint].add(name)
    return found


def _hours(rows: Letters, prints: Sequence[str]) -> defaultdict[str, list[int]]:
    """Return the failures of each of the last 24 hours, cut by moments: databases cut time differently."""
    now = timezone.now()
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0] * _HOURS)
    edges = [now - timedelta(hours=ago) for ago in range(1, _HOURS + 1)]
    hour = Case(
        *(When(failed_at__gt=edge, then=Value(_HOURS - ago)) for ago, edge in enumerate(edges, start=1)),
        output_field=IntegerField(),
    )
    recent = rows.filter(fingerprint__in=prints, failed_at__gt=edges[-1], failed_at__lte=now)
    counted = recent.annotate(hour=hour).values("fingerprint", "hour").annotate(count=Count("fingerprint"))
    for fingerprint, place, count in counted.values_list("fingerprint", "hour", "count"):
        found[fingerprint][place] = count
    return found
