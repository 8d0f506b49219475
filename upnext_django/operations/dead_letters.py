"""Dead letters: replay them as new jobs, edited or not, or discard them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.db.models import QuerySet

from upnext_django import conf
from upnext_django.broker.scripts.discard import Discard, DiscardAnswer
from upnext_django.broker.scripts.replay import ReplayAnswer
from upnext_django.connection import get_broker
from upnext_django.core.job import SubmitAnswer
from upnext_django.core.lifecycle import REPLAYABLE, JobStatus
from upnext_django.exceptions import InvalidTransition, JobNotFound, UpNextError
from upnext_django.models import AttemptRecord, DeadLetterRecord, JobRecord
from upnext_django.operations import audit, history
from upnext_django.operations.once import ANY_TURN, Turn
from upnext_django.operations.outcome import Outcome, each
from upnext_django.operations.payload import Edit, from_history, from_redis

__all__ = [
    "attempts",
    "discard",
    "discard_many",
    "letter",
    "open_letters",
    "payload",
    "replay",
    "replay_many",
]


def open_letters(
    *,
    function: str | None = None,
    error_type: str | None = None,
    among: QuerySet[DeadLetterRecord] | None = None,
) -> QuerySet[DeadLetterRecord]:
    """Return the dead letters that wait for a decision, the newest first.

    ``function`` is an identity or a bare task name. ``among`` are the letters to choose from, None is all.
    """
    known = DeadLetterRecord.objects.all() if among is None else among
    letters = known.using(conf.get().database).filter(replayed_as=None, discarded_at=None)
    if function is not None:
        letters = letters.filter(**{"function" if "." in function else "function_name": function})
    return letters if error_type is None else letters.filter(error_type=error_type)


def attempts(letter: DeadLetterRecord, among: QuerySet[AttemptRecord] | None = None) -> list[AttemptRecord]:
    """Return the attempts that failed, the oldest first, each with its traceback; see history.attempts()."""
    return history.attempts(letter.job_id, using=conf.get().database, among=among)


def payload(letter: DeadLetterRecord) -> JobRecord | None:
    """Return the row of the job, whose arguments are masked; None if it was pruned."""
    return history.job(letter.job_id, using=conf.get().database)


def letter(job_id: str) -> DeadLetterRecord:
    """Return the dead letter of a job, decided or not. Raises JobNotFound."""
    found = DeadLetterRecord.objects.using(conf.get().database).filter(pk=job_id).first()
    if found is None:
        raise JobNotFound(job_id)
    return found


def replay(
    job_id: str,
    *,
    by: object = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    turn: Turn = ANY_TURN,
) -> str:
    """Make a new job from a failed or cancelled one and return its id.

    It has the same root and says in ``replay_of`` what it was made from. ``args`` and ``kwargs`` in
    JSON's types replace those of the call, None keeps them, and so does a mask (``"[hidden]"``) for the value
    that stood in its place; they are checked against the signature.
    ``by`` is who asked, for the log, ``turn`` what makes asking twice safe.

    Raises JobNotFound, InvalidTransition for a job that is live,
    complete, replayed or discarded, TypeError or ArgumentError for a wrong edit, and UpNextError if the
    payload is not known any more or the idempotency key belongs to a live job.
    """
    edit = Edit(args=args, kwargs=kwargs)
    using = conf.get().database
    broker = get_broker()
    live = broker.job_sync(job_id)
    if live is None:
        new_id = _replay_from_history(job_id, edit, using, turn)
    elif live.status not in REPLAYABLE or live.duplicate_of is not None:
        raise _refused(job_id, "a duplicate" if live.duplicate_of else live.status, "replayed")
    else:
        new = turn.named(from_redis(live, edit, using=using))
        reply = broker.operator.replay_sync(job_id, new)
        match reply.answer:
            case ReplayAnswer.ACCEPTED | ReplayAnswer.EXISTS:
                new_id = new.id
            case ReplayAnswer.MISSING:
                raise JobNotFound(job_id)
            case ReplayAnswer.REPLAYED:
                raise _replayed(job_id, reply.other)
            case ReplayAnswer.DISCARDED:
                raise _refused(job_id, "discarded", "replayed")
            case ReplayAnswer.DUPLICATE:
                raise _key_is_taken(job_id, new.key, reply.other)
            case ReplayAnswer.FORBIDDEN:
                raise _refused(job_id, str(reply.status), "replayed")
    audit.note(by, f"replayed as {new_id}", model=JobRecord, objects={job_id: job_id})
    return new_id


def discard(job_id: str, *, by: object = None) -> None:
    """Give a dead letter up: the job stays failed and asks for no decision any more.

    Doing it twice changes nothing. Raises JobNotFound and InvalidTransition for a job that did not fail
    or was replayed. ``by`` is who asked, for the log.
    """
    using = conf.get().database
    broker = get_broker()
    live = broker.job_sync(job_id)
    row = None if live is not None else history.job(job_id, using=using)
    queue = live.queue if live is not None else row.queue if row is not None else None
    if queue is None:
        raise JobNotFound(job_id)
    reply = broker.operator.discard_sync(queue, Discard(job_id) if row is None else _of_row(row, using))
    match reply.answer:
        case DiscardAnswer.DISCARDED:
            audit.note(by, "discarded", model=DeadLetterRecord, objects={job_id: job_id})
        case DiscardAnswer.MISSING:
            raise JobNotFound(job_id)
        case DiscardAnswer.REPLAYED:
            raise InvalidTransition(job_id, f"replayed as {reply.other}", "discarded", [JobStatus.FAILED])
        case DiscardAnswer.FORBIDDEN:
            raise InvalidTransition(job_id, str(reply.status), "discarded", [JobStatus.FAILED])


def replay_many(letters: Iterable[str | DeadLetterRecord], *, by: object = None) -> Outcome:
    """Replay each of ``letters`` (ids, or a queryset) unedited; what is refused does not stop the rest."""
    return each("replayed", _ids(letters), lambda job_id: replay(job_id, by=by))


def discard_many(letters: Iterable[str | DeadLetterRecord], *, by: object = None) -> Outcome:
    """Discard each of ``letters`` (ids, or a queryset); what is refused does not stop the rest."""

    def one(job_id: str) -> str:
        discard(job_id, by=by)
        return ""

    return each("discarded", _ids(letters), one)


def _ids(letters: Iterable[str | DeadLetterRecord]) -> list[str]:
    """Return the ids of jobs. Read first: the mirror may move rows while an action goes on."""
    return [one if isinstance(one, str) else one.job_id for one in letters]


def _replay_from_history(job_id: str, edit: Edit, using: str, turn: Turn) -> str:
    row = history.job(job_id, using=using)
    if row is None:
        raise JobNotFound(job_id)
    if row.status not in REPLAYABLE or row.duplicate_of is not None:
        raise _refused(job_id, "a duplicate" if row.duplicate_of else row.status, "replayed")
    other = _decided(job_id, using)
    if other is not None and turn.is_repeated:
        return other  # made by the first of these requests, which was not answered
    if other is not None:
        raise _replayed(job_id, other)
    new = from_history(row, edit, using=using)
    reply = get_broker().submit_sync([new])[0]
    match reply.answer:
        case SubmitAnswer.ACCEPTED:
            return new.id
        case SubmitAnswer.EXISTS:
            if turn.is_repeated:
                return new.id
            raise _replayed(job_id, new.id)
        case SubmitAnswer.DUPLICATE:
            raise _key_is_taken(job_id, new.key, reply.winner)


def _decided(job_id: str, using: str) -> str | None:
    """Return the job that was made from this one, None if none was. Raises InvalidTransition if discarded."""
    other = JobRecord.objects.using(using).filter(replay_of=job_id).values_list("pk", flat=True).first()
    letter = DeadLetterRecord.objects.using(using).filter(pk=job_id).first()
    if letter is not None and letter.discarded_at is not None:
        raise _refused(job_id, "discarded", "replayed")
    return letter.replayed_as if other is None and letter is not None else other


def _of_row(row: JobRecord, using: str) -> Discard:
    """Return what to tell of a job that left Redis. Raises InvalidTransition if its row forbids it."""
    letter = DeadLetterRecord.objects.using(using).filter(pk=row.id).first()
    if row.status != JobStatus.FAILED or row.completed_at is None:
        raise InvalidTransition(row.id, row.status, "discarded", [JobStatus.FAILED])
    if letter is not None and letter.replayed_as is not None:
        raise InvalidTransition(row.id, f"replayed as {letter.replayed_as}", "discarded", [JobStatus.FAILED])
    failed_ms = round(row.completed_at.timestamp() * 1000)
    data = {"completed": failed_ms, "error_type": row.error_type, "error": row.error}
    return Discard(row.id, row.seq + 1, msgspec.json.encode(data))


def _refused(job_id: str, current: str, target: str) -> InvalidTransition:
    return InvalidTransition(job_id, current, target, sorted(REPLAYABLE))


def _replayed(job_id: str, other: str | None) -> InvalidTransition:
    return InvalidTransition(job_id, f"replayed as {other}", "replayed", sorted(REPLAYABLE), successor=other)


def _key_is_taken(job_id: str, key: str | None, winner: str | None) -> UpNextError:
    return UpNextError(
        f"Job {job_id} has the idempotency key {key!r}, which belongs to the live job {winner}. "
        "Wait until that one has ended, or cancel it."
    )
