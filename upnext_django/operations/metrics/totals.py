"""What has ended so far, from the mirror's counts: for counters and histograms, which may never fall."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Sum

from upnext_django import conf
from upnext_django.models import StatRecord

__all__ = ["Durations", "Totals", "read", "recent_mean_s"]

_RECENT = timedelta(hours=1)


@dataclass(slots=True)
class Durations:
    """How long the attempts of a function ran: by bucket (its bound in ms), and together."""

    buckets: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    ran_ms: int = 0


@dataclass(slots=True)
class Totals:
    """All ends there ever were.

    ``ended`` is by (queue, function, status), ``retried`` by (queue, function), ``durations`` by function.
    """

    ended: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    retried: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    durations: dict[str, Durations] = field(default_factory=lambda: defaultdict(Durations))


def read() -> Totals:
    """Return the totals; one query. Raises DatabaseError."""
    found = Totals()
    rows = StatRecord.objects.using(conf.get().database).filter(period=0)
    columns = ("queue", "function", "outcome", "bound_ms", "jobs", "ran_ms")
    for queue, function, outcome, bound_ms, jobs, ran_ms in rows.values_list(*columns):
        if outcome == "retrying":
            found.retried[queue, function] += jobs
        else:
            found.ended[queue, function, outcome] += jobs
        if bound_ms:
            durations = found.durations[function]
            durations.buckets[bound_ms] += jobs
            durations.ran_ms += ran_ms
    return found


def recent_mean_s(now: datetime) -> dict[str, float]:
    """Return the mean seconds of an attempt of each function that ran in the last hour; one query."""
    rows = (
        StatRecord.objects.using(conf.get().database)
        .filter(period=60, start__gte=now - _RECENT, bound_ms__gt=0)
        .values_list("function")
        .annotate(Sum("jobs"), Sum("ran_ms"))
    )
    return {function: ran_ms / jobs / 1000 for function, jobs, ran_ms in rows if jobs}
