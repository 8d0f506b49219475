"""Queues as Redis has them now: what waits and why, pause and resume."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from ninja import Router, Schema
from pydantic import Field

from upnext_django.api.auth import caller
from upnext_django.api.endpoint import endpoint
from upnext_django.api.functions import Switched
from upnext_django.api.job_shapes import Waiting
from upnext_django.api.params import InPath
from upnext_django.api.problems import ProblemError
from upnext_django.operations import control, live
from upnext_django.operations.live import QueuePicture
from upnext_django.operations.queue_part import PartOfQueue, may_pause, visible_queues

__all__ = ["router"]

router = Router(tags=["queues"])

_OF_ALL = "Null for callers who may see a part of the jobs: it counts all of the queue."


class LinesWaiting(Waiting):
    """Why jobs of a function do not start."""

    jobs: int = Field(description="How many wait for that.")


class QueueFunction(Schema):
    """A function with jobs in the queue."""

    function: str
    waiting: int
    running: int
    oldest_s: float | None = Field(default=None, description="How long the first of them has waited.")
    reasons: list[LinesWaiting]


class Lanes(Schema):
    """Waiting jobs by priority."""

    above: int = Field(description="Of a priority above 0.")
    normal: int = Field(description="Of priority 0.")
    below: int = Field(description="Of a priority below 0.")


class QueueOut(Schema):
    """A queue."""

    name: str
    paused: bool
    waiting: int
    running: int
    oldest_s: float | None = Field(default=None, description="How long its first job has waited.")
    truncated: bool = Field(description="There is more in it than was counted.")
    is_shared: bool = Field(
        description="It has functions that the caller may not see: only jobs of the others are counted."
    )
    lanes: Lanes | None = Field(default=None, description=_OF_ALL)
    suspects: int | None = Field(
        default=None, description=f"Jobs that run alone, since their workers died with them. {_OF_ALL}"
    )
    scheduled: int | None = Field(default=None, description=f"Delayed jobs. {_OF_ALL}")
    retrying: int | None = Field(default=None, description=_OF_ALL)
    dead: int | None = Field(default=None, description=f"Open dead letters. {_OF_ALL}")
    events: int | None = Field(default=None, description=f"Moves that wait for the mirror. {_OF_ALL}")
    slots: int | None = Field(
        default=None, description=f"Of workers that are alive and take from it. {_OF_ALL}"
    )
    used: int | None = Field(
        default=None, description=f"How many of them are taken, by jobs of any queue. {_OF_ALL}"
    )
    functions: list[QueueFunction]


class QueuesOut(Schema):
    """All queues of the namespace."""

    items: list[QueueOut]


@endpoint(router, "GET", "/queues", needs="view_queue", answer=QueuesOut, refuses=(503,))
def list_queues(request: HttpRequest) -> QueuesOut:
    """List all queues with what waits and runs in them."""
    return QueuesOut(items=[_told(one) for one in visible_queues(request, live.queues())])


@endpoint(router, "GET", "/queues/{name}", needs="view_queue", answer=QueueOut, refuses=(404, 503))
def get_queue(request: HttpRequest, name: InPath) -> QueueOut:
    """Show one queue: each function in it, how many wait, and why."""
    for one in visible_queues(request, live.queues()):
        if one.name == name:
            return _told(one)
    raise Http404(f"There is no queue {name!r}.")


@endpoint(router, "POST", "/queues/{name}/pause", needs="pause_queue", answer=Switched, refuses=(404, 503))
def pause_queue(request: HttpRequest, name: InPath) -> Switched:
    """Let no job of a queue begin. What waits stays, what runs goes on.

    A queue with functions that the caller may not see is refused with 403: it would hold them up too.
    """
    _refuse_shared(request, name)
    return Switched(changed=control.pause_queue(name, by=caller(request).actor))


@endpoint(router, "POST", "/queues/{name}/resume", needs="pause_queue", answer=Switched, refuses=(404, 503))
def resume_queue(request: HttpRequest, name: InPath) -> Switched:
    """Let the jobs of a queue begin again; refused as a pause is."""
    _refuse_shared(request, name)
    return Switched(changed=control.resume_queue(name, by=caller(request).actor))


def _refuse_shared(request: HttpRequest, name: str) -> None:
    if not may_pause(request, name):
        raise ProblemError(403, f"The queue {name!r} is not yours alone: it would hold up jobs of others.")


def _told(queue: QueuePicture | PartOfQueue) -> QueueOut:
    lanes = queue.lanes
    return QueueOut(
        name=queue.name,
        paused=queue.paused,
        waiting=queue.waiting,
        running=queue.running,
        oldest_s=queue.oldest_s,
        truncated=queue.truncated,
        is_shared=queue.is_shared,
        lanes=None if lanes is None else Lanes(above=lanes["0"], normal=lanes["1"], below=lanes["2"]),
        suspects=queue.suspects,
        scheduled=queue.scheduled,
        retrying=queue.retrying,
        dead=queue.dead,
        events=queue.events,
        slots=queue.slots,
        used=queue.used,
        functions=[
            QueueFunction(
                function=one.function,
                waiting=one.waiting,
                running=one.running,
                oldest_s=one.oldest_s,
                reasons=[
                    LinesWaiting(
                        reason=standing.reason, text=standing.text, way_out=standing.way_out, jobs=count
                    )
                    for standing, count in one.standings
                ],
            )
            for one in queue.functions
        ],
    )
