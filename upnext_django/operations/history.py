"""Reading the history: what admin and API show of jobs that were.

Nothing here counts or reads without a limit: a table has a million rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.db.models.functions import Coalesce

from upnext_django.core.given import key_of_given_id, may_be_given_id
from upnext_django.core.ids import first_id_at
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.models import ArtifactRecord, AttemptRecord, JobRecord, LogRecord

__all__ = [
    "artifacts",
    "attempts",
    "before",
    "below",
    "children",
    "job",
    "job_given",
    "logs",
    "made_before",
    "made_since",
    "matching",
    "since",
]

#: Jobs whose children are asked for in one query.
_AT_ONCE = 500
#: Rows that are counted at most.
_COUNTED = 10_000
#: So many jobs are few: each of them is looked up sooner than they are found among others.
_FEW = 2_000
_AFTER_ALL_IDS = "~"
#: Conditions of indexes that do not follow from the value.
_OF_ITS_INDEX = {name: {"parent_id__isnull": False} for name in ("parent_id", "root_id")}
#: The time of a submit in a form that no index has: those that it would find had to be sorted by their ids.
_MADE = Coalesce("created_at", "created_at")
#: Jobs of which the lowest id is looked for: an index of times and ids has 10,000 of them in a millisecond.
_LOOKED_AT = 150_000
#: How far the clocks of two machines may be apart.
_SKEW_MS = 86_400_000

_NARROW = (
    "id",
    "parent_id",
    "root_id",
    "function",
    "function_name",
    "status",
    "attempts",
    "created_at",
    "started_at",
    "completed_at",
)


def job(job_id: str, *, using: str = "default") -> JobRecord | None:
    """Return the row of a job, None if the history has none."""
    return JobRecord.objects.using(using).filter(pk=job_id).first()


def job_given(
    given: str, *, using: str = "default", among: QuerySet[JobRecord] | None = None
) -> JobRecord | None:
    """Return the newest job that its user called ``given`` (``apply_async(task_id=...)``), None if none.

    ``among`` are the jobs that count, None is all of the history.
    """
    if not may_be_given_id(given):
        return None
    rows = (
        (JobRecord.objects.all() if among is None else among)
        .using(using)
        .filter(idempotency_key=key_of_given_id(given), duplicate_of__isnull=True)
    )
    return rows.order_by("-id").first()


def attempts(
    job_id: str,
    *,
    limit: int = 200,
    using: str = "default",
    among: QuerySet[AttemptRecord] | None = None,
) -> list[AttemptRecord]:
    """Return the newest ``limit`` claims of a job, the oldest of them first.

    ``among`` are those that count, None is all of the history.
    """
    newest = (
        (AttemptRecord.objects.all() if among is None else among)
        .using(using)
        .filter(job_id=job_id)
        .order_by("-token")[:limit]
    )
    return list(reversed(newest))


def logs(
    job_id: str, *, limit: int = 500, using: str = "default", among: QuerySet[LogRecord] | None = None
) -> list[LogRecord]:
    """Return the newest ``limit`` lines of a job's log, the oldest of them first. ``among`` as above."""
    known = (LogRecord.objects.all() if among is None else among).using(using)
    newest = known.filter(job_id=job_id).order_by("-seq", "-position")[:limit]
    return list(reversed(newest))


def artifacts(
    job_id: str, *, limit: int = 200, using: str = "default", among: QuerySet[ArtifactRecord] | None = None
) -> list[ArtifactRecord]:
    """Return the newest ``limit`` files that a job made, the oldest of them first. ``among`` as above."""
    known = (ArtifactRecord.objects.all() if among is None else among).using(using)
    newest = known.filter(job_id=job_id).order_by("-id")[:limit]
    return list(reversed(newest))


def children(
    job_id: str, *, limit: int = 100, using: str = "default", among: QuerySet[JobRecord] | None = None
) -> list[JobRecord]:
    """Return the first ``limit`` jobs that a job submitted, without their big columns.

    ``among`` are the jobs that count, None is all of the history.
    """
    known = JobRecord.objects.all() if among is None else among
    rows = known.using(using).filter(parent_id=job_id).order_by("id")
    return list(rows.only(*_NARROW)[:limit])


def below(job_id: str, *, among: QuerySet[JobRecord], most: int = _COUNTED) -> list[str]:
    """Return the ids of the live jobs of ``among`` that descend from a job through jobs of ``among``.

    ``most`` of its descendants are looked at; a query for 500 of them.
    """
    found: list[str] = []
    parents, looked = deque([job_id]), 0
    while parents and looked < most:
        some = [parents.popleft() for _ in range(min(len(parents), _AT_ONCE))]
        rows = among.filter(parent_id__in=some).order_by("id").values_list("id", "status")
        for child, status in rows[: most - looked]:
            looked += 1
            parents.append(child)
            if status not in TERMINAL:
                found.append(child)
    return found


def made_since(jobs: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    """Return those of ``jobs`` that were submitted since then, for a list by the id; see since()."""
    bounds = since(moment, using=jobs.db, most=_LOOKED_AT)
    del bounds["created_at__gte"]
    found: QuerySet[Any] = jobs.alias(made=_MADE).filter(made__gte=moment, **bounds)
    return found


def since(moment: datetime, *, using: str, most: int = _COUNTED) -> dict[str, Any]:
    """Return the lookups of jobs that were submitted since then, read from the lowest id of any such job.

    Without that SQLite, which keeps no statistics, reads all jobs of a status to find those of the last hour:
    the indexes end in the id, so with it each of them is read from the right place. A time in an id would
    not do: it is that of the parent's attempt or of the tick, which may be days older than the submit. Where
    there are ``most`` or more of them, the newest are found soon enough.
    """
    made = JobRecord.objects.using(using).filter(created_at__gte=moment).order_by()
    found = made.values("pk")[:most].aggregate(count=Count("pk"), lowest=Min("pk"))
    if found["count"] >= most:
        return {"created_at__gte": moment}
    return {"created_at__gte": moment, "pk__gte": found["lowest"] or _AFTER_ALL_IDS}


def made_before(jobs: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    """Return those of ``jobs`` that were submitted earlier, for a list by the id; see before().

    An id has the time of its submit or one before it, but for clocks that differ: the few jobs whose ids are
    ahead are looked for in the index of the times, which has the ids.
    """
    highest = before(moment)["pk__lt"]
    first = first_id_at(round(moment.timestamp() * 1000))
    ahead = JobRecord.objects.using(jobs.db).filter(
        created_at__gte=moment - timedelta(milliseconds=_SKEW_MS), created_at__lt=moment, pk__gte=first
    )
    found = list(ahead.order_by().values_list("pk", flat=True)[:_COUNTED])
    if len(found) < _COUNTED:
        # No id lies between one and the same with a character more.
        highest = f"{max(found)}0" if found else first
    earlier: QuerySet[Any] = jobs.alias(made=_MADE).filter(made__lt=moment, pk__lt=highest)
    return earlier


def before(moment: datetime) -> dict[str, Any]:
    """Return the lookups of jobs that were submitted earlier, without reading those that came long after.

    The time in an id is never later than its submit, but for clocks that differ.
    """
    highest = first_id_at(round(moment.timestamp() * 1000) + _SKEW_MS)
    return {"created_at__lt": moment, "pk__lt": highest}


def matching(jobs: QuerySet[Any], given: Mapping[str, Any], *, alone: bool = True) -> QuerySet[Any]:
    """Return those of ``jobs`` that hold all of ``given``, columns that have an index each.

    If few hold one of them, those are looked up: whichever index a database takes else, it may read all
    that is common to find what is rare. One condition, if it is ``alone``, needs no such choice.
    """
    found = jobs
    for name, value in given.items():
        found = found.filter(**{name: value}, **_OF_ITS_INDEX.get(name, {}))
    for name, value in given.items() if len(given) > 1 or not alone else ():
        lookups = {name: value, **_OF_ITS_INDEX.get(name, {})}
        keys = JobRecord.objects.using(jobs.db).filter(**lookups).order_by().values("pk")
        if keys[:_FEW].count() < _FEW:
            return found.filter(pk__in=keys)
    return found
