"""All schedules, those declared in code and those that are rows, as operators see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone as django_timezone

from upnext_django import conf
from upnext_django.core.cron import Schedule as CronSchedule
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.missed import CronPlan
from upnext_django.core.stand_in import stand_in
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ScheduleExhausted, UpNextError
from upnext_django.models import FunctionRecord, JobRecord, Schedule, WorkerRecord
from upnext_django.models.known import known_definitions, typed_call

__all__ = [
    "NEXT_RUNS",
    "LastRun",
    "ScheduleInfo",
    "declared_crons",
    "declared_timetable",
    "next_runs",
    "timetable",
    "timetable_of",
    "upcoming",
]

#: How many runs to come are shown.
NEXT_RUNS = 5
_MOST_KEPT = 2_000
#: When the next runs of a schedule were asked for, and what they are until the first of them has passed.
_kept: dict[CronSchedule, tuple[datetime, Sequence[datetime]]] = {}
#: Rows whose next run is looked for to tell which come first.
_MOST_COMPARED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest job that a schedule has made, or that an operator made of it."""

    job_id: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """One schedule. ``row`` is its row, for one declared in code None until somebody paused it.

    ``is_known`` is whether this process or a live worker has its function. ``problem`` says what keeps
    its jobs from being made or run, None where nothing does. ``next_runs`` are in its time zone; a paused
    one has none.
    """

    name: str
    function: str
    declared: bool
    expression: str
    timezone: str
    missed_run_policy: str
    max_catch_up_seconds: float | None
    queue: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    paused: bool
    is_known: bool
    problem: str | None
    next_runs: Sequence[datetime]
    last_run: LastRun | None
    row: Schedule | None


def timetable(name: str | None = None) -> list[ScheduleInfo]:
    """Return all schedules: those declared in code first, each group by name; a fixed number of queries.

    ``name`` leaves out those of any other name.
    """
    rows = Schedule.objects.using(conf.get().database).filter(declared=False)
    if name is not None:
        rows = rows.filter(name=name)
    return declared_timetable(name) + sorted(timetable_of(rows), key=lambda info: info.name)


def declared_timetable(name: str | None = None, *, runs: int = NEXT_RUNS) -> list[ScheduleInfo]:
    """Return the schedules that are declared in code, by name, each with its next ``runs``.

    A fixed number of queries. ``name`` leaves out those of any other name.
    """
    using = conf.get().database
    crons = declared_crons()
    if name is not None:
        crons = {function: cron for function, cron in crons.items() if function == name}
    said = {row.key: row for row in Schedule.objects.using(using).filter(declared=True)}
    last = _last_runs_of_crons(crons.keys(), using)
    return [
        _of_cron(name, definition, said.get(name), last, runs) for name, definition in sorted(crons.items())
    ]


def timetable_of(rows: Iterable[Schedule], *, runs: int = NEXT_RUNS) -> list[ScheduleInfo]:
    """Return what is to be known of ``rows``, in their order, each with its next ``runs``; three queries."""
    using = conf.get().database
    own = list(rows)
    known = known_definitions({row.function for row in own}, using=using)
    last = _last_runs_of_rows([row.pk for row in own], using)
    return [_of_row(row, known.get(row.function), last, runs) for row in own]


def upcoming(rows: QuerySet[Schedule], *, most: int, functions: Set[str] | None = None) -> list[ScheduleInfo]:
    """Return the schedules that run next, the first of them first, at most ``most``.

    Those declared in code, and of ``rows`` the 200 that changed last: to tell which comes first each of them
    has to be asked. ``functions`` are those that count, None is all of them.
    """
    kept = rows.filter(declared=False, paused=False).order_by("-updated_at")[:_MOST_COMPARED]
    every = [*declared_timetable(runs=1), *timetable_of(kept, runs=1)]
    found = [one for one in every if one.next_runs and (functions is None or one.function in functions)]
    return sorted(found, key=lambda info: info.next_runs[0].astimezone(UTC))[:most]


def declared_crons() -> dict[str, TaskDefinition]:
    """Return the crons declared in code by their identity: of this process, and of workers that live."""
    using = conf.get().database
    here = {task.definition.function: task.definition for task in registry.tasks if task.definition.cron}
    served: set[str] = set()
    for details in WorkerRecord.objects.using(using).filter(left_at=None).values_list("details", flat=True):
        served.update(details.get("functions") or ())
    elsewhere = FunctionRecord.objects.using(using).filter(kind="cron", pk__in=served - here.keys())
    for record in elsewhere:
        definition = _registered_cron(record)
        if definition is not None:
            here[record.function] = definition
    return here


def next_runs(
    plan: CronPlan, *, since: datetime | None = None, until: datetime | None = None, most: int = NEXT_RUNS
) -> list[datetime]:
    """Return the next runs, at most ``most``, later than now and ``since`` and not after ``until``."""
    now = django_timezone.now()
    if most <= NEXT_RUNS and (since is None or since <= now):
        runs = _runs_from(plan.schedule, now)[:most]
    else:
        runs = _runs_after(plan.schedule, now if since is None else max(now, since), most)
    # Two times of one zone compare by the clock's hands, which lie in a repeated hour.
    return [run for run in runs if until is None or run.astimezone(UTC) <= until]


def _runs_from(schedule: CronSchedule, now: datetime) -> Sequence[datetime]:
    """Return the next runs after ``now``. To find them takes half a millisecond: they are kept."""
    asked, runs = _kept.get(schedule, (now, ()))
    if runs and asked <= now < runs[0].astimezone(UTC):
        return runs
    runs = _runs_after(schedule, now, NEXT_RUNS)
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    _kept[schedule] = now, runs
    return runs


def _runs_after(schedule: CronSchedule, moment: datetime, most: int) -> Sequence[datetime]:
    runs: list[datetime] = []
    while len(runs) < most:
        try:
            moment = schedule.next_after(moment)
        except ScheduleExhausted:
            break
        runs.append(moment)
    return tuple(runs)


def _last_runs_of_rows(keys: Sequence[int], using: str) -> dict[str, LastRun]:
    """Return the newest job of each row, found by the index; two queries."""
    rows = Schedule.objects.using(using).filter(pk__in=keys)
    newest = _newest(using).filter(schedule=OuterRef("name"))[:1]
    return _told(set(rows.annotate(newest=Subquery(newest)).values_list("newest", flat=True)), using)


def _last_runs_of_crons(crons: Set[str], using: str) -> dict[str, LastRun]:
    """Return the newest job of each of ``crons``, found by the index.

    Two queries, and one more for each cron that no worker has ever registered.
    """
    if not crons:
        return {}
    registered = FunctionRecord.objects.using(using).filter(pk__in=list(crons))
    newest = _newest(using).filter(schedule=OuterRef("function"))[:1]
    pairs = dict(registered.annotate(newest=Subquery(newest)).values_list("pk", "newest"))
    for name in crons - pairs.keys():
        pairs[name] = _newest(using).filter(schedule=name).values_list("id", flat=True).first()
    return _told(set(pairs.values()), using)


def _newest(using: str) -> QuerySet[JobRecord, Any]:
    return JobRecord.objects.using(using).order_by("-id").values("id")


def _told(ids: Set[str | None], using: str) -> dict[str, LastRun]:
    jobs = JobRecord.objects.using(using).filter(pk__in=[one for one in ids if one is not None])
    return {
        str(job.schedule): LastRun(job_id=job.id, status=job.status, created_at=job.created_at)
        for job in jobs.only("id", "status", "created_at", "schedule")
    }


def _of_cron(
    name: str, definition: TaskDefinition, row: Schedule | None, last: Mapping[str, LastRun], runs: int
) -> ScheduleInfo:
    plan = definition.cron
    assert plan is not None
    paused = row is not None and row.paused
    return ScheduleInfo(
        name=name,
        function=name,
        declared=True,
        expression=plan.schedule.text,
        timezone=plan.schedule.timezone,
        missed_run_policy=plan.policy.value,
        max_catch_up_seconds=plan.max_catch_up_seconds,
        queue=definition.queue,
        args=(),
        kwargs={},
        paused=paused,
        is_known=True,
        problem=None,
        next_runs=() if paused else next_runs(plan, most=runs),
        last_run=last.get(name),
        row=row,
    )


def _of_row(
    row: Schedule, definition: TaskDefinition | None, last: Mapping[str, LastRun], most: int
) -> ScheduleInfo:
    problem: str | None = None
    runs: list[datetime] = []
    try:
        if not row.paused:
            runs = next_runs(row.plan(), since=_starts(row), until=row.ends_at, most=most)
        if not runs and not row.paused:
            problem = "It has no run any more."
        elif definition is None:
            problem = "No worker knows its function, so its jobs wait."
        else:
            typed_call(definition, row.args, row.kwargs)
    except (UpNextError, TypeError) as error:
        problem = str(error)
    own_queue = conf.get().default_queue if definition is None else definition.queue
    return ScheduleInfo(
        name=row.name,
        function=row.function,
        declared=False,
        expression=row.expression,
        timezone=row.timezone or django_timezone.get_default_timezone_name(),
        missed_run_policy=row.missed_run_policy,
        max_catch_up_seconds=row.max_catch_up_seconds,
        queue=row.queue or own_queue,
        args=row.args,
        kwargs=row.kwargs,
        paused=row.paused,
        is_known=definition is not None,
        problem=problem,
        next_runs=runs,
        last_run=last.get(row.name),
        row=row,
    )


def _starts(row: Schedule) -> datetime | None:
    # A run at that very moment is its own.
    return None if row.starts_at is None else row.starts_at - timedelta(milliseconds=1)


def _registered_cron(record: FunctionRecord) -> TaskDefinition | None:
    """Return the definition that a worker registered, None if it makes no sense here."""
    try:
        cron = dict(record.definition.get("cron") or {})
        plan = CronPlan.build(cron.pop("expression"), **cron)
        return replace(stand_in(msgspec.json.encode(record.definition)), cron=plan)
    except (KeyError, TypeError, ValueError, msgspec.DecodeError):
        return None
