"""Worker processes as Redis has them now, and orders to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from upnext_django import conf
from upnext_django.api.auth import caller
from upnext_django.api.endpoint import endpoint
from upnext_django.api.params import InPath
from upnext_django.api.visible import all_rows
from upnext_django.exceptions import WorkerNotFound
from upnext_django.models import JobRecord, WorkerRecord
from upnext_django.operations import live, workers
from upnext_django.operations.live import WorkerPicture

__all__ = ["router"]

router = Router(tags=["workers"])


class RunningOut(Schema):
    """A job that a worker has."""

    id: str
    function: str
    queue: str
    started_at: datetime
    waits_for_children: bool = Field(description="It holds no slot meanwhile.")


class WorkerOut(Schema):
    """A worker process."""

    id: str
    host: str
    pid: int | None = None
    version: str
    state: str = Field(description="`running`, `quiet` (takes no more work) or `stopping`.")
    is_alive: bool = Field(description="Whether it has been heard of lately.")
    silent_s: float = Field(description="How long ago it last said something.")
    started_at: datetime | None = Field(default=None, description="By its own clock.")
    queues: list[str]
    functions: int = Field(description="How many functions it knows.")
    slots: int
    used: int = Field(description="Slots that are taken.")
    stuck_threads: int
    running: list[RunningOut] = Field(description="The jobs it has; at most 200 of each queue.")


class WorkersOut(Schema):
    """All worker processes that Redis has."""

    items: list[WorkerOut]


class Told(Schema):
    """What a worker was told."""

    state: str = Field(description="What it is to become: it hears that within moments.")


@endpoint(router, "GET", "/workers", needs="view_workerrecord", answer=WorkersOut, refuses=(503,))
def list_workers(request: HttpRequest) -> WorkersOut:
    """List the worker processes, with what each runs."""
    return WorkersOut(items=_told(request, live.workers()))


@endpoint(
    router,
    "GET",
    "/workers/{worker_id}",
    needs="view_workerrecord",
    answer=WorkerOut,
    refuses=(404, 503),
)
def get_worker(request: HttpRequest, worker_id: InPath) -> WorkerOut:
    """Show one worker process."""
    for one in _told(request, [one for one in live.workers() if one.report.id == worker_id]):
        return one
    raise WorkerNotFound(worker_id)


@endpoint(
    router,
    "POST",
    "/workers/{worker_id}/quiet",
    needs="control_worker",
    answer=Told,
    status=202,
    refuses=(404, 409, 503),
)
def quiet_worker(request: HttpRequest, worker_id: InPath) -> Told:
    """Have a worker take no more work; what runs goes on."""
    workers.quiet(_known(request, worker_id), by=caller(request).actor)
    return Told(state="quiet")


@endpoint(
    router,
    "POST",
    "/workers/{worker_id}/resume",
    needs="control_worker",
    answer=Told,
    status=202,
    refuses=(404, 409, 503),
)
def resume_worker(request: HttpRequest, worker_id: InPath) -> Told:
    """Have a quiet worker take work again."""
    workers.resume(_known(request, worker_id), by=caller(request).actor)
    return Told(state="running")


@endpoint(
    router,
    "POST",
    "/workers/{worker_id}/stop",
    needs="control_worker",
    answer=Told,
    status=202,
    refuses=(404, 409, 503),
)
def stop_worker(request: HttpRequest, worker_id: InPath) -> Told:
    """Have a worker end: what runs may end within its grace, the rest is handed back."""
    workers.stop(_known(request, worker_id), by=caller(request).actor)
    return Told(state="stopping")


def _known(request: HttpRequest, worker_id: str) -> str:
    """Return the id of a worker that the caller may see. Raises WorkerNotFound."""
    if conf.get().admin_queryset is None or all_rows(request, WorkerRecord).filter(pk=worker_id).exists():
        return worker_id
    raise WorkerNotFound(worker_id)


def _told(request: HttpRequest, pictures: Sequence[WorkerPicture]) -> list[WorkerOut]:
    if conf.get().admin_queryset is not None:
        seen = all_rows(request, WorkerRecord).filter(pk__in=[one.report.id for one in pictures])
        known = set(seen.values_list("pk", flat=True))
        pictures = [one for one in pictures if one.report.id in known]
        jobs = all_rows(request, JobRecord).filter(pk__in=[job.id for one in pictures for job in one.running])
        shown = set(jobs.values_list("pk", flat=True))
    else:
        shown = {job.id for one in pictures for job in one.running}
    return [_one(picture, shown) for picture in pictures]


def _one(picture: WorkerPicture, shown: set[str]) -> WorkerOut:
    report = picture.report
    return WorkerOut(
        id=report.id,
        host=report.host,
        pid=report.pid,
        version=report.version,
        state=report.state,
        is_alive=report.is_alive,
        silent_s=report.age_s,
        started_at=None if report.started_ms is None else _at(report.started_ms),
        queues=list(report.queues),
        functions=len(report.functions),
        slots=report.slots,
        used=report.used,
        stuck_threads=report.stuck_threads,
        running=[
            RunningOut(
                id=job.id,
                function=job.function,
                queue=job.queue,
                started_at=_at(job.started_ms),
                waits_for_children=job.id in report.waiting_for_children,
            )
            for job in picture.running
            if job.id in shown
        ],
    )


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
