"""Functions: how they do, pause, resume, submit a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.idempotency import turn_of
from upnext_django.api.job_shapes import JobRef
from upnext_django.api.paging import Cursor, Limit, page
from upnext_django.api.params import Arguments, Body, IdempotencyKey, InPath, KeywordArguments, Name
from upnext_django.api.problems import ProblemError
from upnext_django.api.shape import Shape
from upnext_django.api.statistics import Numbers
from upnext_django.api.visible import all_rows
from upnext_django.exceptions import UnknownTask
from upnext_django.models import FunctionRecord
from upnext_django.operations import control, remote, stats
from upnext_django.operations.function_part import known_functions, may_choose_queue, visible_standings
from upnext_django.operations.live import FunctionStanding
from upnext_django.operations.looking import look
from upnext_django.operations.scope import visible_statistics
from upnext_django.operations.shown_definition import shown
from upnext_django.operations.stats import Counts, Window

__all__ = ["Switched", "router"]

router = Router(tags=["functions"])


class FunctionOut(Shape):
    """A function that workers know."""

    function: str = Field(description="Its identity: the module and the name.")
    function_name: str
    kind: str = Field(description="`task`, `cron` or `event`.")
    queue: str
    seen_at: datetime = Field(description="When a worker last registered it differently.")
    api: bool = Field(description="Whether the API may submit jobs of it.")
    paused: bool | None = Field(default=None, description="Null while Redis is away.")
    workers: list[str] | None = Field(
        default=None, description="Workers that know it and take work; null while Redis is away."
    )
    last_day: Numbers | None = Field(
        default=None,
        description="What it did in the last 24 hours; null for callers who may see a part of its jobs.",
    )


class FunctionDetail(FunctionOut):
    """A function with its options."""

    definition: dict[str, Any] = Field(
        description="Its options and parameters, as its worker says them, but for defaults of secrets."
    )


class FunctionPage(Shape):
    """One page of functions, by name."""

    items: list[FunctionOut]
    next: str | None = Field(default=None, description="`cursor` of the next page, null on the last.")


class Switched(Schema):
    """What a pause or a resume did."""

    changed: bool = Field(description="False if it was so already.")


class Submit(Body):
    """A call of the function. Its values are checked against the signature before anything is sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kwargs": {"order_id": 7}}, {"args": [7], "delay": 60}]}
    )

    args: Arguments = []
    kwargs: KeywordArguments = {}
    delay: float | None = Field(
        default=None, ge=0, le=31_536_000 * 10, description="Seconds from now before which it does not run."
    )
    priority: int | None = Field(
        default=None, ge=-100, le=100, description="What the function says if left out."
    )
    queue: Name | None = Field(default=None, description="Another queue than the function's own.")


@endpoint(router, "GET", "/functions", needs="view_functionrecord", answer=FunctionPage)
def list_functions(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> FunctionPage:
    """List the functions that workers have registered, by name."""
    rows, following = page(all_rows(request, FunctionRecord), cursor, limit, ascending=True)
    among = visible_statistics(request)
    counts = None if among is None else stats.by_function(Window.DAY, among=among)
    standings, _ = look(lambda: visible_standings(request, [row.pk for row in rows]))
    items = [FunctionOut(**_told(row, counts, standings)) for row in rows]
    return FunctionPage(items=items, next=following)


@endpoint(
    router,
    "GET",
    "/functions/{name}",
    needs="view_functionrecord",
    answer=FunctionDetail,
    refuses=(404,),
)
def get_function(request: HttpRequest, name: InPath) -> FunctionDetail:
    """Show a function with its options."""
    row = _row(request, name)
    among = visible_statistics(request)
    points = None if among is None else stats.series(Window.DAY, function=row.pk, among=among)
    counts = None if points is None else {row.pk: stats.total(points)}
    standings, _ = look(lambda: visible_standings(request, [row.pk]))
    return FunctionDetail(**_told(row, counts, standings), definition=shown(row.definition))


@endpoint(
    router,
    "POST",
    "/functions/{name}/pause",
    needs="pause_function",
    answer=Switched,
    refuses=(404, 503),
)
def pause_function(request: HttpRequest, name: InPath) -> Switched:
    """Let no job of a function begin. What waits stays, what runs goes on."""
    return Switched(changed=control.pause_function(_row(request, name).pk, by=caller(request).actor))


@endpoint(
    router,
    "POST",
    "/functions/{name}/resume",
    needs="pause_function",
    answer=Switched,
    refuses=(404, 503),
)
def resume_function(request: HttpRequest, name: InPath) -> Switched:
    """Let the jobs of a function begin again."""
    return Switched(changed=control.resume_function(_row(request, name).pk, by=caller(request).actor))


@endpoint(
    router,
    "POST",
    "/functions/{name}/submit",
    needs="run_function",
    answer=JobRef,
    status=202,
    refuses=(400, 404, 409, 413, 503),
)
def submit_job(
    request: HttpRequest, name: InPath, body: Submit, idempotency_key: IdempotencyKey = None
) -> JobRef:
    """Submit a job of a function that is declared with `api=True`.

    It is sent when this answers. Any other function is refused with 403, and so is another queue than the
    function's own for callers who may see a part of the jobs.
    """
    known = known_functions(request)
    if known is not None and name not in known:
        raise UnknownTask(f"No worker has registered a function {name!r}.")
    if body.queue is not None and not may_choose_queue(request):
        raise ProblemError(403, "body.queue: you may see a part of the jobs; leave it to the function.")
    by = caller(request).actor
    with turn_of(request, idempotency_key) as turn, calling():
        made = turn.jobs or turn.done([remote.submit(name, by=by, turn=turn, **body.model_dump())])
    return JobRef(job_id=made[0])


def _row(request: HttpRequest, name: str) -> FunctionRecord:
    row = all_rows(request, FunctionRecord).filter(pk=name).first()
    if row is None:
        raise Http404(f"No worker has registered a function {name!r}.")
    assert isinstance(row, FunctionRecord)
    return row


def _told(
    row: FunctionRecord,
    counts: Mapping[str, Counts] | None,
    standings: Mapping[str, FunctionStanding] | None,
) -> dict[str, Any]:
    standing = None if standings is None else standings[row.pk]
    return {
        "function": row.function,
        "function_name": row.function_name,
        "kind": row.kind,
        "queue": row.queue,
        "seen_at": row.seen_at,
        "api": bool(row.definition.get("api")),
        "paused": None if standing is None else standing.paused,
        "workers": None if standing is None else list(standing.workers),
        "last_day": None if counts is None else Numbers.of(counts.get(row.pk) or Counts()),
    }
