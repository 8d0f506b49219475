"""Runs sync attempts in the thread that calls it, and says what the end of any attempt means."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from upnext_django.core import codec
from upnext_django.core import outcome as outcomes
from upnext_django.core.environment import Environment
from upnext_django.core.failure import release
from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.outcome import Outcome
from upnext_django.declare import surroundings
from upnext_django.declare.context import Context
from upnext_django.declare.current import current_job
from upnext_django.runtime import hooks, moments, sensitive
from upnext_django.runtime.attempt import End, Running
from upnext_django.runtime.crew import Interrupted
from upnext_django.runtime.scope import AttemptScope

__all__ = ["Runner", "log_cut_hooks"]

logger = logging.getLogger("upnext.job")


class Runner:
    """Runs sync attempts in the thread that calls it, and says what their end means.

    Also in the processes of a pool, where there is no worker around it.
    """

    def __init__(
        self, environment: Environment, scope: AttemptScope, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._environment = environment
        self._scope = scope
        self._loop = loop

    def run_in_thread(self, attempt: Running) -> Outcome | None:
        """Run a sync attempt to its end. Called by a crew's thread; raises Interrupted past the deadline."""
        definition = attempt.definition
        current_job.set(attempt)
        self._scope.enter_thread()
        attempt.around = surroundings.around(attempt, attempt.envelope.carries)
        outcome: Outcome | None
        try:
            if definition.on_start is not None:
                hooks.run_sync(definition.on_start, self._loop, self._scope)
            if moments.hears(None):
                moments.tell(attempt, None)
            if attempt.is_sensitive:
                args, kwargs = sensitive.call_of(attempt)
            else:
                args, kwargs = definition.signature.decode(attempt.envelope.args)
            if definition.signature.takes_context:
                args.insert(0, Context(attempt))
            outcome = self._completed(attempt, definition.func(*args, **kwargs))
        except Interrupted:
            outcome = self.raised(attempt, TimeoutError())
        except BaseException as error:  # noqa: BLE001 - the user's function
            outcome = self.raised(attempt, error)
        if outcome is not None and (definition.has_hooks or moments.hears(outcome)):
            self._before_hooks(attempt, outcome)
            self._call_hooks(attempt, outcome)
        if attempt.around is not None:
            attempt.around.leave(outcome)
        self._scope.exit_thread()
        return outcome

    def run_hooks(self, attempt: Running, outcome: Outcome) -> None:
        """Call the hooks of an attempt that ended so without having the time for them."""
        current_job.set(attempt)
        self._scope.enter_thread()
        self._call_hooks(attempt, outcome)
        self._scope.exit_thread()

    def _call_hooks(self, attempt: Running, outcome: Outcome) -> None:
        try:
            for hook in hooks.after(attempt.definition, outcome.status):
                hooks.run_sync(hook, self._loop, self._scope)
            if moments.hears(outcome):
                moments.tell(attempt, outcome)
        except Interrupted:
            log_cut_hooks(attempt)

    def _before_hooks(self, attempt: Running, outcome: Outcome) -> None:
        """Hear of an outcome whose hooks run next."""

    # -- what an end means

    def _completed(self, attempt: Running, value: Any) -> Outcome:
        if attempt.end == End.CANCEL:
            # It heard the order and returned: a sync task that looks at is_cancelled has no other way.
            return _cancelled(attempt)
        result = codec.encode(
            value,
            argument="return value",
            max_bytes=self._environment.max_result_bytes,
            function=attempt.definition.function,
        )
        return outcomes.completed(
            attempt.definition, attempt=attempt.attempt, started_ms=attempt.started_ms, result=result
        )

    def raised(self, attempt: Running, error: BaseException) -> Outcome | None:
        """Return the outcome of an attempt that raised; None hands it back or says nothing."""
        match attempt.end:
            case End.TIMEOUT:
                return self.timed_out(attempt)
            case End.CANCEL:
                return _cancelled(attempt)
            case End.HAND_BACK | End.LOST | End.CRASH:
                return None
        outcome = outcomes.failed(
            attempt.definition,
            error,
            attempt=attempt.attempt,
            max_attempts=attempt.max_attempts,
            started_ms=attempt.started_ms,
            mask=attempt.mask,
        )
        if attempt.around is not None:
            attempt.around.failed(error, outcome)
        _log_failure(attempt, outcome)
        release(error)
        return outcome

    def timed_out(self, attempt: Running) -> Outcome:
        """Return the outcome past the deadline. Any thread."""
        outcome = outcomes.timed_out(
            attempt.definition,
            timeout_s=attempt.timeout_s or 0.0,
            attempt=attempt.attempt,
            max_attempts=attempt.max_attempts,
            started_ms=attempt.started_ms,
        )
        _log_failure(attempt, outcome)
        return outcome


def _cancelled(attempt: Running) -> Outcome:
    return outcomes.cancelled(attempt=attempt.attempt, started_ms=attempt.started_ms, error="cancelled")


def _log_failure(attempt: Running, outcome: Outcome) -> None:
    """Tell the worker's log of an attempt that failed; with its traceback if it was the last one."""
    again = outcome.status == JobStatus.RETRYING
    logger.log(
        logging.WARNING if again else logging.ERROR,
        "job %s (%s): attempt %d of %d failed: %s%s",
        attempt.id,
        attempt.function,
        attempt.attempt,
        attempt.max_attempts,
        outcome.data.error,
        f"; again in {(outcome.delay_ms or 0) / 1000:.1f} s"
        if again
        else f"\n{outcome.data.traceback or ''}".rstrip(),
        extra={"job_id": attempt.id},
    )


def log_cut_hooks(attempt: Running) -> None:
    """Tell the worker's log of hooks that were ended past the deadline. Any thread."""
    logger.error(
        "job %s (%s): its hooks did not end in time and were ended; its outcome stands.",
        attempt.id,
        attempt.function,
        extra={"job_id": attempt.id},
    )
