"""Actions on all jobs or dead letters that match: begun here, done by workers, watched and stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from upnext_django.api.auth import caller
from upnext_django.api.endpoint import endpoint
from upnext_django.api.idempotency import turn_of
from upnext_django.api.matching import JobsThatMatch, LettersThatMatch, Matching
from upnext_django.api.paging import Cursor, Limit, read_cursor, written_cursor
from upnext_django.api.params import IdempotencyKey, KeyInPath
from upnext_django.api.problems import ProblemError, wrong
from upnext_django.api.visible import all_rows
from upnext_django.exceptions import BulkActionNotFound
from upnext_django.models import BulkAction, BulkStatus
from upnext_django.operations.bulk import begin
from upnext_django.operations.bulk.actor import may_act, may_take_up
from upnext_django.operations.bulk.verb import VERBS, BulkVerb
from upnext_django.operations.looking import look

__all__ = ["router"]

router = Router(tags=["bulk actions"])


class BulkActionOut(Schema):
    """An action on many, and how far it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 7,
                    "verb": "retry",
                    "status": "running",
                    "which": ["function: shop.tasks.pay", "status: failed"],
                    "asked_by": "ann",
                    "asked_at": "2026-01-31T12:00:00Z",
                    "started_at": "2026-01-31T12:00:01Z",
                    "ended_at": None,
                    "total": 12000,
                    "done": 3500,
                    "refused": 2,
                    "reasons": ["019a0000-0000-7000-8000-000000000001: the function is not known"],
                    "error": "",
                }
            ]
        }
    )

    id: int
    verb: BulkVerb
    status: BulkStatus = Field(description="`waiting` until a worker takes it up.")
    which: list[str] = Field(description="What all of its rows have in common, in words.")
    asked_by: str
    asked_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    total: int | None = Field(default=None, description="How many matched at its start; null if not known.")
    done: int
    refused: int
    reasons: list[str] = Field(description="Why the first of those were refused.")
    error: str = Field(description="Why it failed; empty if it did not.")


class BulkActionDetail(BulkActionOut):
    """An action on many, and whether anybody goes on with it."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    is_served: bool | None = Field(
        description="Whether a worker is there that goes through it; null while Redis is away."
    )


class BulkActionPage(Schema):
    """One page of actions on many, the newest first."""

    items: list[BulkActionOut]
    next: str | None = Field(default=None, description="`cursor` of the next page, null on the last.")


class BulkActionRef(Schema):
    """An action that was begun."""

    id: int = Field(description="GET /bulk-actions/{id} says how far it is.")


@endpoint(router, "GET", "/bulk-actions", needs="view_bulkaction", answer=BulkActionPage)
def list_bulk_actions(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> BulkActionPage:
    """List the actions on many, the newest first."""
    rows = all_rows(request, BulkAction).order_by("-pk")
    if cursor is not None:
        rows = rows.filter(pk__lt=_place(cursor))
    found = list(rows[: limit + 1])
    following = written_cursor(str(found[limit - 1].pk)) if len(found) > limit else None
    return BulkActionPage(items=[BulkActionOut(**_told(row)) for row in found[:limit]], next=following)


# Before the keys: "retry-jobs" is none.


def _beginning(verb: BulkVerb, path: str, name: str, matching: type[Matching], said: str) -> None:
    """Declare the operation ``name`` that begins ``verb`` at ``path``, for rows that match ``matching``."""

    def view(request: HttpRequest, body: Any, idempotency_key: IdempotencyKey = None) -> BulkActionRef:
        selection = body.selection()
        by = caller(request).actor
        with turn_of(request, idempotency_key) as turn:
            made = turn.jobs or turn.done(
                [str(begin.start(verb, selection, by=by, request=request, seed=turn.seed).pk)]
            )
        return BulkActionRef(id=int(made[0]))

    view.__name__, view.__doc__ = name, said
    view.__annotations__["body"] = matching
    endpoint(
        router,
        "POST",
        f"/bulk-actions/{path}",
        needs=VERBS[verb].codenames,
        answer=BulkActionRef,
        status=202,
        refuses=(400, 413, 503),
    )(view)


_beginning(
    BulkVerb.RETRY,
    "retry-jobs",
    "retry_jobs",
    JobsThatMatch,
    "Make a new job from each that failed or was cancelled and matches.",
)
_beginning(
    BulkVerb.CANCEL,
    "cancel-jobs",
    "cancel_jobs",
    JobsThatMatch,
    "Cancel each job that has not ended and matches.",
)
_beginning(
    BulkVerb.DELETE,
    "delete-jobs",
    "delete_jobs",
    JobsThatMatch,
    "Delete the rows of each job that has ended and matches. It cannot be undone.",
)
_beginning(
    BulkVerb.REPLAY,
    "replay-dead-letters",
    "replay_all_dead_letters",
    LettersThatMatch,
    "Make a new job from each open dead letter that matches.",
)
_beginning(
    BulkVerb.DISCARD,
    "discard-dead-letters",
    "discard_all_dead_letters",
    LettersThatMatch,
    "Give each open dead letter up that matches: its job stays failed.",
)


@endpoint(
    router,
    "GET",
    "/bulk-actions/{action_id}",
    needs="view_bulkaction",
    answer=BulkActionDetail,
    refuses=(404,),
)
def get_bulk_action(request: HttpRequest, action_id: KeyInPath) -> BulkActionDetail:
    """Show how far an action on many is."""
    row = _row(request, action_id)
    served, _ = look(begin.is_served)
    return BulkActionDetail(**_told(row), is_served=served)


@endpoint(
    router,
    "POST",
    "/bulk-actions/{action_id}/stop",
    needs="view_bulkaction",
    scope="operate",
    answer=BulkActionOut,
    status=202,
    refuses=(404, 409),
)
def stop_bulk_action(request: HttpRequest, action_id: KeyInPath) -> BulkActionOut:
    """End an action after the chunk in hand; what was done stays done.

    It needs the permission for what the action does too. One that has ended is refused with 409.
    """
    row = _row(request, action_id)
    _refuse_unless(may_act(request.user, row) and _is_covered(request, row))
    if not begin.stop(row.pk, by=caller(request).actor):
        raise ProblemError(409, f"Bulk action {row.pk} has ended already.", state=row.status)
    return BulkActionOut(**_told(begin.get(row.pk)))


@endpoint(
    router,
    "POST",
    "/bulk-actions/{action_id}/resume",
    needs="view_bulkaction",
    scope="operate",
    answer=BulkActionOut,
    status=202,
    refuses=(404, 409),
)
def resume_bulk_action(request: HttpRequest, action_id: KeyInPath) -> BulkActionOut:
    """Take an action up where it was stopped or failed.

    It goes on with the rights of who asked for it first, who is the only one to take it up beside superusers,
    and needs the permission for what it does. Any other status is refused with 409.
    """
    row = _row(request, action_id)
    _refuse_unless(may_take_up(request.user, row) and _is_covered(request, row))
    begin.go_on(row.pk, by=caller(request).actor)
    return BulkActionOut(**_told(begin.get(row.pk)))


def _row(request: HttpRequest, action_id: int) -> BulkAction:
    row = all_rows(request, BulkAction).filter(pk=action_id).first()
    if row is None:
        raise BulkActionNotFound(action_id)
    assert isinstance(row, BulkAction)
    return row


def _told(row: BulkAction) -> dict[str, Any]:
    return {
        "id": row.pk,
        "verb": row.verb,
        "status": row.status,
        "which": row.words,
        "asked_by": row.by,
        "asked_at": row.asked_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "total": row.total,
        "done": row.done,
        "refused": row.refused,
        "reasons": row.reasons,
        "error": row.error,
    }


def _is_covered(request: HttpRequest, row: BulkAction) -> bool:
    """Return whether the caller's token, if there is one, has the scope of what the action does."""
    return caller(request).may(VERBS[BulkVerb(row.verb)].permission)


def _refuse_unless(allowed: bool) -> None:
    if not allowed:
        raise ProblemError(403, "You may not do to one row what this action does to many.")


def _place(cursor: str) -> int:
    place = read_cursor(cursor)
    if not (place.isdecimal() and len(place) < 19):
        raise wrong("query.cursor", "it must be `next` of an earlier answer")
    return int(place)
