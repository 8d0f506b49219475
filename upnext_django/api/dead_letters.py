"""The dead-letter queue: failed jobs that wait for a decision, one by one or by a filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field

from upnext_django import conf
from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.idempotency import turn_of
from upnext_django.api.job_actions import Edit, edited
from upnext_django.api.job_shapes import EXAMPLE_ID, AttemptOut, JobRef, Payload
from upnext_django.api.matching import LettersThatMatch, lookups
from upnext_django.api.paging import Cursor, Limit, page
from upnext_django.api.params import IdempotencyKey, JobIdInPath, Moment, Name
from upnext_django.api.problems import wrong
from upnext_django.api.shape import Shape
from upnext_django.api.visible import all_rows, job_id_of, may_see_payload
from upnext_django.exceptions import JobNotFound
from upnext_django.models import AttemptRecord, DeadLetterRecord
from upnext_django.operations import dead_letters
from upnext_django.operations.outcome import Outcome

__all__ = ["router"]

router = Router(tags=["dead letters"])

#: Dead letters that one request takes: it is answered when all is done.
_MOST = 1_000


class Decision(StrEnum):
    """What was decided about a dead letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    ALL = "all"


class LetterFilters(Schema):
    """What narrows the list; all of them together."""

    decision: Decision = Decision.OPEN
    function: Name | None = Field(default=None, description="The identity of a function, or its bare name.")
    queue: Name | None = None
    error_type: Name | None = Field(default=None, description="The class of the error, like `ValueError`.")
    fingerprint: Name | None = Field(default=None, description="Failures of one kind share it.")
    failed_from: Moment | None = None
    failed_before: Moment | None = None


class LetterOut(Shape):
    """A job that failed for good."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_id": EXAMPLE_ID,
                    "function": "shop.tasks.send_receipt",
                    "function_name": "send_receipt",
                    "queue": "mail",
                    "failed_at": "2026-01-31T12:00:00Z",
                    "attempts": 4,
                    "crashes": 0,
                    "error_type": "TimeoutError",
                    "error": "TimeoutError: no answer",
                    "fingerprint": "9f86d081884c7d65",
                    "replayed_as": None,
                    "discarded_at": None,
                }
            ]
        }
    )

    job_id: str
    function: str
    function_name: str
    queue: str
    failed_at: datetime
    attempts: int
    crashes: int
    error_type: str | None = None
    error: str | None = None
    fingerprint: str
    replayed_as: str | None = Field(default=None, description="The first job that was made from it.")
    discarded_at: datetime | None = None


class LetterPage(Shape):
    """One page of dead letters, the newest job first."""

    items: list[LetterOut]
    next: str | None = Field(default=None, description="`cursor` of the next page, null on the last.")


class LetterDetail(LetterOut):
    """A dead letter with all its attempts."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    claims: list[AttemptOut] = Field(description="The newest 200, the oldest of them first.")
    payload: Payload | None = Field(
        default=None, description="Null without `upnext.view_payload` (scope `payload`), or if it was pruned."
    )


class Many(LettersThatMatch):
    """Which open dead letters are meant: those of `job_ids`, or all that match what is given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"function": "shop.tasks.pay", "error_type": "TimeoutError"}]}
    )

    job_ids: Annotated[list[Name], Field(min_length=1, max_length=_MOST)] | None = None
    limit: int = Field(default=_MOST, ge=1, le=_MOST, description="The oldest so many are taken.")


class Refused(Schema):
    """A dead letter that nothing was done to."""

    job_id: str
    reason: str


class Done(Schema):
    """A dead letter that something was done to."""

    job_id: str
    new_job_id: str | None = Field(default=None, description="The job that was made from it.")


class ManyOut(Schema):
    """What was done to each."""

    done: list[Done]
    refused: list[Refused]
    more: bool = Field(description="More match than were taken; ask again for the rest.")


@endpoint(router, "GET", "/dlq", needs="view_deadletterrecord", answer=LetterPage)
def list_dead_letters(
    request: HttpRequest, filters: Query[LetterFilters], cursor: Cursor = None, limit: Limit = 50
) -> LetterPage:
    """List dead letters, the open ones unless another `decision` is asked for."""
    rows = _narrowed(_decided(all_rows(request, DeadLetterRecord), filters.decision), filters)
    found, following = page(rows, cursor, limit)
    return LetterPage(items=[LetterOut.model_validate(row) for row in found], next=following)


# Before the ids: "replay" is none.


@endpoint(
    router,
    "POST",
    "/dlq/replay",
    needs="replay_deadletter",
    answer=ManyOut,
    refuses=(400, 413, 503),
)
def replay_dead_letters(request: HttpRequest, body: Many) -> ManyOut:
    """Replay the open dead letters that match, the oldest first and 1,000 at the most.

    Doing it twice makes no second jobs: what was replayed is open no more.
    """
    by = caller(request).actor
    return _many(request, body, lambda ids: dead_letters.replay_many(ids, by=by))


@endpoint(
    router,
    "POST",
    "/dlq/discard",
    needs="discard_deadletter",
    answer=ManyOut,
    refuses=(400, 413, 503),
)
def discard_dead_letters(request: HttpRequest, body: Many) -> ManyOut:
    """Discard the open dead letters that match, the oldest first and 1,000 at the most."""
    by = caller(request).actor
    return _many(request, body, lambda ids: dead_letters.discard_many(ids, by=by))


@endpoint(router, "GET", "/dlq/{job_id}", needs="view_deadletterrecord", answer=LetterDetail, refuses=(404,))
def get_dead_letter(request: HttpRequest, job_id: JobIdInPath) -> LetterDetail:
    """Show a dead letter, with the error and the traceback of every attempt."""
    letter = _letter(request, job_id)
    job = dead_letters.payload(letter) if may_see_payload(request) else None
    return LetterDetail(
        **LetterOut.model_validate(letter).model_dump(),
        claims=[
            AttemptOut.model_validate(one)
            for one in dead_letters.attempts(letter, all_rows(request, AttemptRecord))
        ],
        payload=None if job is None else Payload.model_validate(job),
    )


@endpoint(
    router,
    "POST",
    "/dlq/{job_id}/replay",
    needs="replay_deadletter",
    answer=JobRef,
    status=202,
    refuses=(400, 404, 409, 413, 503),
)
def replay_dead_letter(
    request: HttpRequest,
    job_id: JobIdInPath,
    body: Edit | None = None,
    idempotency_key: IdempotencyKey = None,
) -> JobRef:
    """Make a new job from a dead letter, with other arguments if some are given.

    Other arguments need the permission to see payloads too. One that was replayed or discarded already is
    refused with 409.
    """
    found = _decidable(request, job_id)
    args, kwargs = edited(request, body)
    with turn_of(request, idempotency_key) as turn, calling():
        made = turn.jobs or turn.done(
            [dead_letters.replay(found, by=caller(request).actor, args=args, kwargs=kwargs, turn=turn)]
        )
    return JobRef(job_id=made[0])


@endpoint(
    router,
    "POST",
    "/dlq/{job_id}/discard",
    needs="discard_deadletter",
    answer=Done,
    refuses=(404, 409, 503),
)
def discard_dead_letter(request: HttpRequest, job_id: JobIdInPath) -> Done:
    """Give a dead letter up: the job stays failed and asks for no decision any more."""
    found = _decidable(request, job_id)
    dead_letters.discard(found, by=caller(request).actor)
    return Done(job_id=found)


def _many(request: HttpRequest, body: Many, act: Callable[[Sequence[str]], Outcome]) -> ManyOut:
    given = body.model_dump(exclude_none=True, exclude={"limit"})
    if not given:
        raise wrong("body", "give job_ids, function, queue, error_type, fingerprint or times")
    rows = _decided(all_rows(request, DeadLetterRecord), Decision.OPEN)
    if body.job_ids is not None:
        rows = rows.filter(pk__in=body.job_ids)
    rows = _narrowed(rows, body).order_by("failed_at", "job_id")
    ids = list(rows.values_list("job_id", flat=True)[: body.limit + 1])
    outcome = act(ids[: body.limit])
    return ManyOut(
        done=[Done(job_id=old, new_job_id=new or None) for old, new in outcome.done.items()],
        refused=[Refused(job_id=old, reason=reason) for old, reason in outcome.refused.items()],
        more=len(ids) > body.limit,
    )


def _decidable(request: HttpRequest, job_id: str) -> str:
    """Return the id of a job whose dead letter the caller may see; one without a row yet counts as seen."""
    found = job_id_of(request, job_id)
    if conf.get().admin_queryset is not None:
        _letter(request, found)
    return found


def _letter(request: HttpRequest, job_id: str) -> DeadLetterRecord:
    letter = all_rows(request, DeadLetterRecord).filter(pk=job_id).first()
    if letter is None:
        raise JobNotFound(job_id)
    assert isinstance(letter, DeadLetterRecord)
    return letter


def _decided(rows: QuerySet[Any], decision: Decision) -> QuerySet[Any]:
    match decision:
        case Decision.OPEN:
            return rows.filter(replayed_as=None, discarded_at=None)
        case Decision.REPLAYED:
            return rows.filter(replayed_as__isnull=False)
        case Decision.DISCARDED:
            return rows.filter(discarded_at__isnull=False)
    return rows


def _narrowed(rows: QuerySet[Any], given: LetterFilters | Many) -> QuerySet[Any]:
    for name in ("function", "queue", "error_type", "fingerprint", "failed_from", "failed_before"):
        if (value := getattr(given, name)) is not None:
            rows = rows.filter(**lookups(name, value))
    return rows
