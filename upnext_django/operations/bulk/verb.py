"""What can be done to very many rows: each verb with its model, its permission and its operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from upnext_django.connection import get_broker
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.exceptions import InvalidTransition
from upnext_django.models import DeadLetterRecord, JobRecord
from upnext_django.operations import audit, dead_letters, deletion, jobs
from upnext_django.operations.outcome import Outcome, each

__all__ = ["VERBS", "BulkVerb", "Doing"]

_ENDED = [str(status) for status in TERMINAL]
# Named, not left out: an index finds what a status is, not what it is not.
_LIVE = [str(status) for status in JobStatus if status not in TERMINAL]
_RETRIABLE = [str(JobStatus.FAILED), str(JobStatus.CANCELLED)]


class BulkVerb(StrEnum):
    """What is done to each."""

    RETRY = "retry"  # a new job from one that failed or was cancelled
    CANCEL = "cancel"  # a job that has not ended
    DELETE = "delete"  # the rows of a job that has ended
    REPLAY = "replay"  # a new job from an open dead letter
    DISCARD = "discard"  # an open dead letter is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One verb.

    ``permission`` is the codename of what a user needs besides seeing the model; ``past`` is its past
    tense. ``eligible(rows, until)`` leaves those that it can be done to and that were so at ``until`` (None:
    now); ``parts(rows, until)`` gives the same in parts, of which one index each finds the newest. ``act(ids,
    by)`` does it; ``repeat`` is the same for a chunk that may be half done already, and counts what is as
    wanted as done. ``newest_first`` is the order.
    """

    model: type[Model]
    permission: str
    past: str
    eligible: Callable[[QuerySet[Any], datetime | None], QuerySet[Any]]
    parts: Callable[[QuerySet[Any], datetime | None], Sequence[QuerySet[Any]]]
    act: Callable[[Sequence[str], object], Outcome]
    repeat: Callable[[Sequence[str], object], Outcome]
    newest_first: bool = False

    @property
    def codenames(self) -> tuple[str, str]:
        """What a user needs: to see the model, and to do this to it."""
        return f"view_{self.model._meta.model_name}", self.permission

    @property
    def permissions(self) -> tuple[str, str]:
        """The same, as has_perm() takes it."""
        see, act = self.codenames
        label = self.model._meta.app_label
        return f"{label}.{see}", f"{label}.{act}"


def _retriable(rows: QuerySet[Any], until: datetime | None) -> QuerySet[Any]:
    """Leave out the failed ones that were replayed already."""
    decided = Q(status=str(JobStatus.FAILED)) & ~Exists(_letter_of_the_job())
    return _ended_by(rows.filter(~decided, status__in=_RETRIABLE, duplicate_of=None), until)


def _retriable_parts(rows: QuerySet[Any], until: datetime | None) -> Sequence[QuerySet[Any]]:
    rows = _ended_by(rows.filter(duplicate_of=None), until)
    failed = rows.filter(Exists(_letter_of_the_job()), status=str(JobStatus.FAILED))
    return failed, rows.filter(status=str(JobStatus.CANCELLED))


def _live(rows: QuerySet[Any], until: datetime | None) -> QuerySet[Any]:
    rows = rows.filter(status__in=_LIVE)
    return rows if until is None else rows.filter(created_at__lte=until)


def _live_parts(rows: QuerySet[Any], until: datetime | None) -> Sequence[QuerySet[Any]]:
    return [_live(rows, until).filter(status=status) for status in _LIVE]


def _deletable(rows: QuerySet[Any], until: datetime | None) -> QuerySet[Any]:
    return _ended_by(rows.filter(~Exists(_letter_of_the_job()), status__in=_ENDED), until)


def _deletable_parts(rows: QuerySet[Any], until: datetime | None) -> Sequence[QuerySet[Any]]:
    return [_deletable(rows, until).filter(status=status) for status in _ENDED]


def _open(letters: QuerySet[Any], until: datetime | None) -> QuerySet[Any]:
    letters = letters.filter(replayed_as=None, discarded_at=None)
    return letters if until is None else letters.filter(failed_at__lte=until)


def _open_parts(letters: QuerySet[Any], until: datetime | None) -> Sequence[QuerySet[Any]]:
    return [_open(letters, until)]


def _letter_of_the_job() -> QuerySet[Any]:
    return DeadLetterRecord.objects.filter(job_id=OuterRef("pk"), replayed_as=None, discarded_at=None)


def _ended_by(rows: QuerySet[Any], until: datetime | None) -> QuerySet[Any]:
    if until is None:
        return rows
    return rows.filter(Q(completed_at=None) | Q(completed_at__lte=until), created_at__lte=until)


def _repeat_replay(past: str) -> Callable[[Sequence[str], object], Outcome]:
    def one(job_id: str, by: object) -> str:
        try:
            return dead_letters.replay(job_id, by=by)
        except InvalidTransition as error:
            if error.successor is None:
                raise
            audit.note(by, error.current, model=JobRecord, objects={job_id: job_id})
            return error.successor

    return lambda ids, by: each(past, ids, lambda job_id: one(job_id, by))


def _repeat_cancel(ids: Sequence[str], by: object) -> Outcome:
    def one(job_id: str) -> str:
        if not jobs.cancel(job_id, by=by):
            live = get_broker().job_sync(job_id)
            if live is None or live.status != JobStatus.CANCELLED:
                raise InvalidTransition(job_id, "not live any more", "cancelled", ["live"])
            audit.note(by, "cancelled", model=JobRecord, objects={job_id: job_id})
        return ""

    return each("cancelled", ids, one)


def _repeat_delete(ids: Sequence[str], by: object) -> Outcome:
    outcome = deletion.delete_many(ids, by=by)
    gone = set(outcome.refused) - deletion.present(list(outcome.refused))
    audit.note(by, "deleted", model=JobRecord, objects={job_id: job_id for job_id in gone})
    refused = {job_id: why for job_id, why in outcome.refused.items() if job_id not in gone}
    return Outcome(outcome.verb, {**outcome.done, **dict.fromkeys(gone, "")}, refused)


def _discard(ids: Sequence[str], by: object) -> Outcome:
    return dead_letters.discard_many(ids, by=by)


VERBS: Mapping[BulkVerb, Doing] = {
    BulkVerb.RETRY: Doing(
        model=JobRecord,
        permission="retry_job",
        past="retried",
        eligible=_retriable,
        parts=_retriable_parts,
        act=lambda ids, by: jobs.retry_many(ids, by=by),
        repeat=_repeat_replay("retried"),
    ),
    BulkVerb.CANCEL: Doing(
        model=JobRecord,
        permission="cancel_job",
        past="cancelled",
        eligible=_live,
        parts=_live_parts,
        act=lambda ids, by: jobs.cancel_many(ids, by=by),
        repeat=_repeat_cancel,
    ),
    BulkVerb.DELETE: Doing(
        model=JobRecord,
        permission="delete_jobrecord",
        past="deleted",
        eligible=_deletable,
        parts=_deletable_parts,
        act=lambda ids, by: deletion.delete_many(ids, by=by),
        repeat=_repeat_delete,
        # No parent before its children.
        newest_first=True,
    ),
    BulkVerb.REPLAY: Doing(
        model=DeadLetterRecord,
        permission="replay_deadletter",
        past="replayed",
        eligible=_open,
        parts=_open_parts,
        act=lambda ids, by: dead_letters.replay_many(ids, by=by),
        repeat=_repeat_replay("replayed"),
    ),
    BulkVerb.DISCARD: Doing(
        model=DeadLetterRecord,
        permission="discard_deadletter",
        past="discarded",
        eligible=_open,
        parts=_open_parts,
        act=_discard,
        # Doing it twice changes nothing.
        repeat=_discard,
    ),
}
