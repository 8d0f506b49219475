"""Actions on jobs, whatever became of them: cancel and retry, one or many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from upnext_django.connection import get_broker
from upnext_django.declare import arrival
from upnext_django.exceptions import InvalidTransition, JobNotFound
from upnext_django.models import JobRecord
from upnext_django.operations import audit, dead_letters
from upnext_django.operations.once import ANY_TURN, Turn
from upnext_django.operations.outcome import Outcome, each

__all__ = ["cancel", "cancel_many", "retry", "retry_many"]


def cancel(job_id: str, *, tree: bool = False, by: object = None) -> bool:
    """Cancel a live job, and with ``tree`` its live descendants; True if any of them was live.

    One that waits never runs, one that runs is asked to end. ``by`` is who asked, for the log. Raises
    JobNotFound if neither Redis nor the outbox holds the job and ``tree`` found nothing below it.
    """
    broker = get_broker()
    hit = arrival.cancel_sync(broker, job_id, tree=tree)
    if hit:
        done = "cancelled with its tree" if tree else "cancelled"
        audit.note(by, done, model=JobRecord, objects={job_id: job_id})
    elif broker.job_sync(job_id) is None:
        raise JobNotFound(job_id)
    return hit


def retry(
    job_id: str,
    *,
    by: object = None,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    turn: Turn = ANY_TURN,
) -> str:
    """Run a failed or cancelled job again and return the new job's id: see dead_letters.replay()."""
    return dead_letters.replay(job_id, by=by, args=args, kwargs=kwargs, turn=turn)


def cancel_many(job_ids: Iterable[str], *, by: object = None) -> Outcome:
    """Cancel each job; one that has ended or that Redis does not hold is refused. See cancel()."""

    def one(job_id: str) -> str:
        if not cancel(job_id, by=by):
            raise InvalidTransition(job_id, "not live any more", "cancelled", ["live"])
        return ""

    return each("cancelled", list(job_ids), one)


def retry_many(job_ids: Iterable[str], *, by: object = None) -> Outcome:
    """Run each failed or cancelled job again; what is refused does not stop the rest. See retry()."""
    return each("retried", list(job_ids), lambda job_id: retry(job_id, by=by))
