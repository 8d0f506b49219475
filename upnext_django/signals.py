"""Django signals for what becomes of jobs, sent in the process that runs them.

``sender`` is the task: the object that ``@worker.task`` made. Every signal has ``context``, the job's
``Context``. They are sent as ``send_robust`` does: what a receiver raises is logged under
"django.dispatch" and changes nothing. Receivers may be async; those of sync ones run where Django's own do.
They run after the hooks of the same moment and before the job's slot is free again: let them be quick.

A job that is cancelled or expires before it began, and one whose worker died, has no process that could tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.dispatch import Signal

from upnext_django.declare.ports import Moment

__all__ = [
    "SignalObserver",
    "job_cancelled",
    "job_failed",
    "job_retried",
    "job_started",
    "job_succeeded",
    "job_timed_out",
]

logger = logging.getLogger("upnext.hooks")

#: An attempt begins: ``context``.
job_started = Signal()
#: The job is complete: ``context``, ``result`` (the return value as JSON has it).
job_succeeded = Signal()
#: The job has failed for good: ``context``, ``error`` ("ValueError: text"), ``error_type``, ``traceback``.
job_failed = Signal()
#: An attempt failed and there will be another: as job_failed, and ``delay``, seconds until then.
job_retried = Signal()
#: An attempt ran into its timeout: ``context``, ``error``. job_retried or job_failed follows.
job_timed_out = Signal()
#: A running job was cancelled: ``context``.
job_cancelled = Signal()

_SIGNALS: Final[Mapping[Moment, Signal]] = {
    Moment.STARTED: job_started,
    Moment.SUCCEEDED: job_succeeded,
    Moment.FAILED: job_failed,
    Moment.RETRIED: job_retried,
    Moment.TIMED_OUT: job_timed_out,
    Moment.CANCELLED: job_cancelled,
}


class SignalObserver:
    """The engine's port to them."""

    def listens(self) -> bool:
        """Return whether anybody is connected to any: without a lock, for every job asks."""
        return bool(
            job_started.receivers
            or job_succeeded.receivers
            or job_failed.receivers
            or job_retried.receivers
            or job_timed_out.receivers
            or job_cancelled.receivers
        )

    def hears(self, moment: Moment) -> bool:
        """Return whether anybody is connected, to whatever sender."""
        return bool(_SIGNALS[moment].receivers)

    def tell(self, moment: Moment, sender: Any, facts: Mapping[str, Any]) -> None:
        """Send the signal in this thread."""
        _complain(moment, _SIGNALS[moment].send_robust(sender=sender, **facts))

    async def atell(self, moment: Moment, sender: Any, facts: Mapping[str, Any]) -> None:
        """Send the signal in this loop; sync receivers run in the attempt's own thread."""
        _complain(moment, await _SIGNALS[moment].asend_robust(sender=sender, **facts))


def _complain(moment: Moment, answers: Iterable[tuple[Any, Any]]) -> None:
    """Name what raised in the worker's log too; Django's logger has the traceback, if anybody shows it."""
    for receiver, answer in answers:
        if isinstance(answer, Exception):
            logger.error(
                "receiver %r of the signal that a job %s raised %r; the job's outcome stands",
                receiver,
                moment.value,
                answer,
            )
