"""What becomes of a job, told to the observer port: Django's signals.

As with hooks, nothing that an observer does changes the outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import msgspec

from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.outcome import Outcome
from upnext_django.declare import ports
from upnext_django.declare.context import Context
from upnext_django.declare.ports import Moment
from upnext_django.declare.registry import registry
from upnext_django.runtime import hooks
from upnext_django.runtime.attempt import Running
from upnext_django.runtime.crew import Interrupted

__all__ = ["atell", "hears", "tell"]

logger = logging.getLogger("upnext.hooks")

_ENDS = {
    JobStatus.COMPLETE: Moment.SUCCEEDED,
    JobStatus.FAILED: Moment.FAILED,
    JobStatus.RETRYING: Moment.RETRIED,
    JobStatus.CANCELLED: Moment.CANCELLED,
}


def hears(outcome: Outcome | None) -> bool:
    """Return whether the observer wants to hear of an attempt's end, or of its beginning (None)."""
    observer = ports.observer()
    return (
        observer is not None
        and observer.listens()
        and any(observer.hears(moment) for moment in _moments(outcome))
    )


def tell(attempt: Running, outcome: Outcome | None) -> None:
    """Tell of a sync attempt, in its thread; see hears(). Asked first: most have no listener."""
    for observer, moment, sender, facts in _told(attempt, outcome):
        try:
            observer.tell(moment, sender, facts)
        except Interrupted:
            raise
        except BaseException:
            # A receiver's CancelledError would end the thread, and not the attempt.
            logger.exception("telling that a job %s failed; its outcome stands", moment)


async def atell(attempt: Running, outcome: Outcome | None) -> None:
    """Tell of an async attempt; see tell()."""
    for observer, moment, sender, facts in _told(attempt, outcome):
        try:
            await observer.atell(moment, sender, facts)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and hooks.is_being_cancelled():
                raise
            logger.exception("telling that a job %s failed; its outcome stands", moment)


def _moments(outcome: Outcome | None) -> Iterator[Moment]:
    if outcome is None:
        yield Moment.STARTED
        return
    if outcome.data.timed_out:
        yield Moment.TIMED_OUT
    moment = _ENDS.get(outcome.status)
    if moment is not None:
        yield moment


def _told(
    attempt: Running, outcome: Outcome | None
) -> Iterator[tuple[ports.Observer, Moment, Any, dict[str, Any]]]:
    observer = ports.observer()
    sender = registry.find(attempt.function)
    if observer is None or sender is None:
        return
    for moment in _moments(outcome):
        if observer.hears(moment):
            yield observer, moment, sender, {"context": Context(attempt), **_facts(moment, outcome)}


def _facts(moment: Moment, outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {}
    data = outcome.data
    match moment:
        case Moment.SUCCEEDED:
            result = data.result
            return {"result": None if result is msgspec.UNSET else msgspec.json.decode(result)}
        case Moment.TIMED_OUT:
            return {"error": data.error}
        case Moment.FAILED | Moment.RETRIED:
            facts: dict[str, Any] = {
                "error": data.error,
                "error_type": data.error_type,
                "traceback": data.traceback,
            }
            if moment is Moment.RETRIED:
                facts["delay"] = (outcome.delay_ms or 0) / 1000
            return facts
        case _:
            return {}
