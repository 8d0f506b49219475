"""Schedules: those that are rows can be changed here, those declared in code paused and run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from django.http import HttpRequest
from ninja import Router
from pydantic import ConfigDict, Field

from upnext_django import conf
from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.functions import Switched
from upnext_django.api.idempotency import turn_of
from upnext_django.api.job_shapes import JobRef
from upnext_django.api.params import Arguments, Body, IdempotencyKey, InPath, KeywordArguments, Moment, Name
from upnext_django.api.problems import ProblemError, wrong
from upnext_django.api.shape import Shape
from upnext_django.api.visible import all_rows, is_hidden, may_see_payload
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.exceptions import ScheduleNotFound, UnknownTask
from upnext_django.models import Schedule
from upnext_django.operations import schedules
from upnext_django.operations.function_part import known_functions, may_choose_queue
from upnext_django.operations.schedules import ScheduleFields
from upnext_django.operations.timetable import ScheduleInfo, declared_crons, timetable

__all__ = ["router"]

router = Router(tags=["schedules"])


class Call(Shape):
    """The arguments of its jobs."""

    args: list[Any]
    kwargs: dict[str, Any]


class LastRunOut(Shape):
    """The newest job of a schedule."""

    job_id: str
    status: str
    created_at: datetime


class ScheduleOut(Shape):
    """When a function runs by itself."""

    name: str
    function: str
    declared: bool = Field(description="Declared in code: it can be paused and run here, and not changed.")
    expression: str
    timezone: str
    missed_run_policy: MissedRunPolicy
    max_catch_up_seconds: float | None = None
    queue: str
    priority: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    paused: bool
    is_known: bool = Field(description="Whether a worker that lives, or this process, has its function.")
    problem: str | None = Field(default=None, description="What keeps its jobs from being made or run.")
    next_runs: list[datetime] = Field(description="At most five.")
    last_run: LastRunOut | None = None
    arguments: Call | None = Field(
        default=None, description="Null without `upnext.view_payload` (scope `payload`)."
    )
    revision: int | None = Field(default=None, description="Of its row: give it with a change.")
    updated_at: datetime | None = None
    updated_by: str | None = None


class SchedulesOut(Shape):
    """All schedules, those declared in code first."""

    items: list[ScheduleOut]


class _Fields(Body):
    function: Name | None = None
    expression: str | None = Field(
        default=None,
        max_length=200,
        description="`0 9 * * *`, `*/10 * * * * *` (seconds first) or `@daily`.",
    )
    timezone: str | None = Field(default=None, max_length=64, description="Empty for the project's own.")
    args: Arguments | None = None
    kwargs: KeywordArguments | None = None
    queue: str | None = Field(default=None, max_length=64, description="Empty for the function's own.")
    missed_run_policy: MissedRunPolicy | None = None
    max_catch_up_seconds: float | None = Field(default=None, gt=0, le=10_000_000_000)
    priority: int | None = Field(default=None, ge=-100, le=100)
    starts_at: Moment | None = Field(default=None, description="No run before.")
    ends_at: Moment | None = Field(default=None, description="No run after.")

    def given(self) -> ScheduleFields:
        """Return what was sent, as operations take it; null where that means something."""
        sent = self.model_dump(exclude_unset=True, exclude={"revision"})
        nullable = ("max_catch_up_seconds", "priority", "starts_at", "ends_at")
        wanted = {name: value for name, value in sent.items() if value is not None or name in nullable}
        return cast("ScheduleFields", wanted)


class NewSchedule(_Fields):
    """A schedule to add."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly report",
                    "function": "shop.tasks.send_report",
                    "expression": "0 3 * * *",
                    "timezone": "Europe/Berlin",
                }
            ]
        }
    )

    name: str = Field(min_length=1, max_length=255)
    function: Name = Field(description="The identity of a function.")
    expression: str = Field(
        min_length=1, max_length=200, description="`0 9 * * *`, `*/10 * * * * *` or `@daily`."
    )
    paused: bool = False


class ScheduleChange(_Fields):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expression": "0 4 * * *", "revision": 3}]})

    name: str | None = Field(default=None, min_length=1, max_length=255)
    revision: int | None = Field(
        default=None,
        ge=0,
        le=2**63 - 1,
        description="That of the row as it was seen: what somebody changed since is not overwritten.",
    )


@endpoint(router, "GET", "/schedules", needs="view_schedule", answer=SchedulesOut)
def list_schedules(request: HttpRequest) -> SchedulesOut:
    """List all schedules: those declared in code, and those that are rows."""
    return SchedulesOut(items=[_told(request, one) for one in _seen(request)])


@endpoint(
    router,
    "POST",
    "/schedules",
    needs="add_schedule",
    answer=ScheduleOut,
    status=201,
    refuses=(400, 413),
)
def add_schedule(request: HttpRequest, body: NewSchedule) -> ScheduleOut:
    """Add a schedule. Workers follow it at once, or within a minute if Redis is away."""
    _refuse_of_others(request, body)
    with _checking():
        row = schedules.add(by=caller(request).actor, **body.given())
    return _one(request, row.name)


# What ends in a word of ours comes first: a name may have slashes in it.


@endpoint(
    router,
    "POST",
    "/schedules/{path:name}/pause",
    needs="change_schedule",
    scope="operate",
    answer=Switched,
    refuses=(404,),
)
def pause_schedule(request: HttpRequest, name: InPath) -> Switched:
    """Let a schedule make no jobs until it is resumed."""
    return Switched(changed=schedules.pause(_visible(request, name), by=caller(request).actor))


@endpoint(
    router,
    "POST",
    "/schedules/{path:name}/resume",
    needs="change_schedule",
    scope="operate",
    answer=Switched,
    refuses=(404,),
)
def resume_schedule(request: HttpRequest, name: InPath) -> Switched:
    """Let a schedule make jobs again; the runs of the pause are not made up for."""
    return Switched(changed=schedules.resume(_visible(request, name), by=caller(request).actor))


@endpoint(
    router,
    "POST",
    "/schedules/{path:name}/run",
    needs="run_schedule",
    answer=JobRef,
    status=202,
    refuses=(404, 409, 503),
)
def run_schedule(request: HttpRequest, name: InPath, idempotency_key: IdempotencyKey = None) -> JobRef:
    """Submit the job of a schedule now, paused or not."""
    found = _visible(request, name)
    with turn_of(request, idempotency_key) as turn, calling():
        made = turn.jobs or turn.done([schedules.run_now(found, by=caller(request).actor, turn=turn)])
    return JobRef(job_id=made[0])


@endpoint(router, "GET", "/schedules/{path:name}", needs="view_schedule", answer=ScheduleOut, refuses=(404,))
def get_schedule(request: HttpRequest, name: InPath) -> ScheduleOut:
    """Show one schedule, with its next runs and its last one."""
    return _one(request, name)


@endpoint(
    router,
    "PATCH",
    "/schedules/{path:name}",
    needs="change_schedule",
    answer=ScheduleOut,
    refuses=(400, 404, 409, 413),
)
def change_schedule(request: HttpRequest, name: InPath, body: ScheduleChange) -> ScheduleOut:
    """Change a schedule that is a row; one declared in code is refused with 409."""
    _refuse_declared(request, name)
    _refuse_of_others(request, body, _one(request, name).queue)
    with _checking():
        row = schedules.change(name, by=caller(request).actor, revision=body.revision, **body.given())
    return _one(request, row.name)


@endpoint(
    router,
    "DELETE",
    "/schedules/{path:name}",
    needs="delete_schedule",
    answer=None,
    status=204,
    refuses=(404, 409),
)
def delete_schedule(request: HttpRequest, name: InPath) -> None:
    """Delete a schedule that is a row; the jobs that it made stay."""
    _refuse_declared(request, name)
    schedules.delete(name, by=caller(request).actor)


@contextmanager
def _checking() -> Iterator[None]:
    """See calling(); a function that nobody knows is a wrong value here, and not what was asked for."""
    try:
        with calling():
            yield
    except UnknownTask as error:
        raise wrong("body.function", str(error)) from error


def _seen(request: HttpRequest, name: str | None = None) -> list[ScheduleInfo]:
    """Return what the caller may see: of the rows what the project's rule leaves, and all of the code.

    ``name`` leaves out those of any other name.
    """
    found = timetable(name)
    if conf.get().admin_queryset is None:
        return found
    known = known_functions(request)
    names = set(all_rows(request, Schedule).filter(declared=False).values_list("name", flat=True))
    return [
        one
        for one in found
        if (known is None or one.function in known if one.declared else one.name in names)
    ]


def _visible(request: HttpRequest, name: str) -> str:
    """Return ``name`` if the caller may see that schedule; operations know whether there is one."""
    known = known_functions(request)
    # The row of a cron in code says no more than that somebody paused it: its function counts.
    is_of_others = known is not None and name not in known and name in declared_crons()
    if is_of_others or is_hidden(request, Schedule, name=name, declared=False):
        raise ScheduleNotFound(name)
    return name


def _refuse_declared(request: HttpRequest, name: str) -> None:
    _visible(request, name)
    if name in declared_crons():
        raise ProblemError(409, f"{name} is declared in code, and changed there.", state="declared")


def _refuse_of_others(request: HttpRequest, body: _Fields, queue: str = "") -> None:
    """Refuse functions that the caller may not see, and queues that may be somebody else's."""
    known = known_functions(request)
    if body.function is not None and known is not None and body.function not in known:
        raise wrong("body.function", f"nobody knows a function {body.function!r}")
    if body.queue and body.queue != queue and not may_choose_queue(request):
        raise ProblemError(403, "body.queue: you may see a part of the jobs; leave it to the function.")


def _one(request: HttpRequest, name: str) -> ScheduleOut:
    for one in _seen(request, name):
        if one.name == name:
            return _told(request, one)
    raise ScheduleNotFound(name)


def _told(request: HttpRequest, info: ScheduleInfo) -> ScheduleOut:
    row, last = info.row, info.last_run
    return ScheduleOut(
        name=info.name,
        function=info.function,
        declared=info.declared,
        expression=info.expression,
        timezone=info.timezone,
        missed_run_policy=MissedRunPolicy(info.missed_run_policy),
        max_catch_up_seconds=info.max_catch_up_seconds,
        queue=info.queue,
        priority=None if row is None else row.priority,
        starts_at=None if row is None else row.starts_at,
        ends_at=None if row is None else row.ends_at,
        paused=info.paused,
        is_known=info.is_known,
        problem=info.problem,
        next_runs=list(info.next_runs),
        last_run=None if last is None else LastRunOut.model_validate(last),
        arguments=Call(args=list(info.args), kwargs=dict(info.kwargs)) if may_see_payload(request) else None,
        revision=None if row is None else row.revision,
        updated_at=None if row is None else row.updated_at,
        updated_by=None if row is None else row.updated_by,
    )
