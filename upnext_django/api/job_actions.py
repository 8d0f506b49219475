"""Jobs: cancel them, run them again."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.idempotency import turn_of
from upnext_django.api.job_shapes import JobRef
from upnext_django.api.params import Arguments, Body, IdempotencyKey, JobIdInPath, KeywordArguments
from upnext_django.api.problems import ProblemError
from upnext_django.api.visible import all_rows, job_id_of, may_see_payload
from upnext_django.connection import get_broker
from upnext_django.exceptions import InvalidTransition
from upnext_django.models import JobRecord
from upnext_django.operations import history, jobs
from upnext_django.operations.scope import is_bounded

__all__ = ["Edit", "edited", "router"]

router = Router(tags=["jobs"])


class Cancel(Body):
    """How far a cancel goes."""

    tree: bool = Field(default=False, description="Whether its live descendants are cancelled too.")


class Cancelled(Schema):
    """What a cancel did."""

    cancelled: bool = Field(description="A waiting job never runs, a running one is asked to end.")


class Edit(Body):
    """The arguments of the new job; what is left out stays as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"kwargs": {"order_id": 7}}]})

    args: Arguments | None = None
    kwargs: KeywordArguments | None = None


@endpoint(
    router,
    "POST",
    "/jobs/{job_id}/cancel",
    needs="cancel_job",
    answer=Cancelled,
    refuses=(400, 404, 409, 413, 503),
)
def cancel_job(request: HttpRequest, job_id: JobIdInPath, body: Cancel | None = None) -> Cancelled:
    """Cancel a job that has not ended.

    One that waits never runs; one that runs is asked to end. One that has ended is refused with 409.
    """
    found = job_id_of(request, job_id)
    tree = body is not None and body.tree
    if tree and is_bounded(request):
        # The order to cancel a tree goes to all of it, and the caller may see a part.
        below = history.below(found, among=all_rows(request, JobRecord))
        if jobs.cancel_many([found, *below], by=caller(request).actor).done:
            return Cancelled(cancelled=True)
        tree = False
    if not jobs.cancel(found, tree=tree, by=caller(request).actor):
        live = get_broker().job_sync(found)
        raise InvalidTransition(found, "over" if live is None else live.status, "cancelled", ["live"])
    return Cancelled(cancelled=True)


@endpoint(
    router,
    "POST",
    "/jobs/{job_id}/retry",
    needs="retry_job",
    answer=JobRef,
    status=202,
    refuses=(400, 404, 409, 413, 503),
)
def retry_job(
    request: HttpRequest,
    job_id: JobIdInPath,
    body: Edit | None = None,
    idempotency_key: IdempotencyKey = None,
) -> JobRef:
    """Make a new job from one that failed or was cancelled, and return its id.

    With other arguments it needs the permission to see payloads too: a mask (`"[hidden]"`) that is left where
    it stood keeps the value behind it.
    """
    found = job_id_of(request, job_id)
    args, kwargs = edited(request, body)
    with turn_of(request, idempotency_key) as turn, calling():
        made = turn.jobs or turn.done(
            [jobs.retry(found, by=caller(request).actor, args=args, kwargs=kwargs, turn=turn)]
        )
    return JobRef(job_id=made[0])


def edited(request: HttpRequest, body: Edit | None) -> tuple[list[object] | None, dict[str, object] | None]:
    """Return what replaces the arguments. Raises ProblemError for who may not see those there are."""
    if body is None or (body.args is None and body.kwargs is None):
        return None, None
    if not may_see_payload(request):
        raise ProblemError(403, "Other arguments need the permission upnext.view_payload (scope 'payload').")
    return body.args, body.kwargs
