"""A thread of a crew that has a process run its attempts: starts it, talks to it, kills it.

It does in this process what the function asks for there, and looks ten times a second whether the
attempt is to end: at its timeout, by a cancel, at the shutdown, or because the claim was lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from upnext_django.core.outcome import Outcome
from upnext_django.exceptions import UnknownTask
from upnext_django.runtime import moments
from upnext_django.runtime.attempt import Attempt, End
from upnext_django.runtime.crew import Crew, Hand
from upnext_django.runtime.pool import messages
from upnext_django.runtime.pool.child import Child, ChildFailed
from upnext_django.runtime.pool.messages import FromChild, JobFacts
from upnext_django.runtime.pool.order import Order
from upnext_django.runtime.runner import Runner

__all__ = ["Pool", "ProcessHand", "hands_of"]

logger = logging.getLogger("upnext.pool")

_LOOK_S = 0.1
#: How long a function may take to end by itself, from the moment its process is told to.
_GRACE_S = 1.0
#: The loop ends what is overdue; if it is blocked, the hand does after this.
_OVERDUE_S = 1.0
_PAUSE_S = (0.5, 1.0, 2.0, 5.0)


class Pool:
    """What the hands of one Worker have in common. ``failures`` counts starts in vain, in a row."""

    def __init__(self, order: Order, runner: Runner) -> None:
        self.order = order
        self.runner = runner
        self.failures = 0
        self.pids: set[int] = set()
        self._pause = threading.Event()

    def start(self, name: str) -> Child:
        """Return a process that is ready. Raises ChildFailed, after a pause, if it does not come up."""
        try:
            child = Child(self.order, name)
            self.pids.add(child.pid)
            try:
                child.wait_until_ready()
            except ChildFailed:
                self.pids.discard(child.pid)
                raise
        except (ChildFailed, OSError) as error:
            pause_s = _PAUSE_S[min(self.failures, len(_PAUSE_S) - 1)]
            self.failures += 1
            logger.error("%s", error)
            self._pause.wait(pause_s)
            raise ChildFailed(str(error)) from error
        self.failures = 0
        return child


class ProcessHand(Hand):
    """One process of the pool, and the thread that speaks with it."""

    kills = True
    is_costly = True

    def __init__(self, crew: Crew, number: int, pool: Pool) -> None:
        super().__init__(crew, number)
        self._pool = pool
        self._child: Child | None = None
        self._told_s: float | None = None
        self._is_waiting = False

    def end(self, attempt: Attempt, why: str) -> None:
        """The thread sees it by itself: at its next look."""

    def work(self, attempt: Attempt) -> None:
        self.attempt = attempt
        attempt.hand = self
        killed = False
        try:
            outcome, killed = self._attend(attempt)
        finally:
            self.attempt = None
        self._crew.done(attempt, outcome)
        if self._child is None and not self._crew.closed:
            self._replace(attempt, outcome if killed else None)

    def dismiss(self) -> None:
        child = self._child
        if child is not None:
            self._child = None
            child.close()
            self._pool.pids.discard(child.pid)

    # -- one attempt

    def _attend(self, attempt: Attempt) -> tuple[Outcome | None, bool]:
        """See an attempt to its end; the outcome, and whether its process was killed before its hooks."""
        try:
            child = self._child or self._start()
        except ChildFailed:
            # Nothing of it has run: somebody else may have more luck, or we later.
            if attempt.end is None:
                attempt.end = End.HAND_BACK
            return self._by_order(attempt), False
        if attempt.end is not None:
            return self._by_order(attempt), False
        self._told_s, self._is_waiting = None, False
        attempt.start_clock()
        child.send(messages.Run(_facts(attempt)))
        try:
            return self._listen(child, attempt), False
        except _Lost as lost:
            self._lose(child)
            if lost.outcome is not None:
                return lost.outcome, False
        finally:
            if self._is_waiting:
                self._crew.take_place(attempt)
        if attempt.end is None:
            self._crashed(child, attempt)
        return self._by_order(attempt), True

    def _listen(self, child: Child, attempt: Attempt) -> Outcome | None:
        """Do what the process asks for until the attempt has ended. Raises _Lost if it dies before."""
        outcome: Outcome | None = None
        has_ended = False
        while True:
            try:
                message = child.receive(_LOOK_S)
            except EOFError:
                raise _Lost(outcome) from None
            if isinstance(message, messages.Ended):
                outcome, has_ended = message.outcome, True
                if outcome is not None and message.hooks:
                    attempt.conclude(outcome)
            if isinstance(message, messages.Done) or (has_ended and not getattr(message, "hooks", True)):
                return outcome if outcome is not None else self._by_order(attempt)
            if isinstance(message, messages.Failed):
                return self._pool.runner.raised(attempt, UnknownTask(message.text))
            if message is not None:
                self._serve_it(child, attempt, message)
            if self._is_overdue(child, attempt):
                raise _Lost(outcome)

    def _serve_it(self, child: Child, attempt: Attempt, message: FromChild) -> None:
        match message:
            case messages.News() if message.id == attempt.id:
                _take_over(attempt, message)
            case messages.Suspend():
                try:
                    attempt.suspend_sync()
                except RuntimeError as error:
                    child.send(messages.Refused(str(error)))
                else:
                    self._is_waiting = True
                    child.send(messages.Granted())
            case messages.Resume():
                self._is_waiting = False
                attempt.resume_sync()
                child.send(messages.Granted())

    def _is_overdue(self, child: Child, attempt: Attempt) -> bool:
        """Tell the process once that its attempt is to end; True when it has to be killed."""
        now = time.monotonic()
        if attempt.end is None:
            if attempt.deadline_s is None or now < attempt.deadline_s + _OVERDUE_S:
                return False
            attempt.end = End.TIMEOUT
        if attempt.end not in (End.TIMEOUT, End.CANCEL):
            # Others run it now, or will in a moment.
            return True
        if self._told_s is None:
            self._told_s = now
            child.send(messages.End(attempt.end))
        return now >= self._told_s + _GRACE_S

    def _by_order(self, attempt: Attempt) -> Outcome | None:
        """Return what follows from the reason why an attempt was ended; None hands back, or says nothing."""
        return self._pool.runner.raised(attempt, TimeoutError())

    def _crashed(self, child: Child, attempt: Attempt) -> None:
        """Tell of a process that died by itself; it counts as the worker's own death would."""
        attempt.end = End.CRASH
        text = f"The process that ran this attempt {child.ending}; it counts as a crash."
        logger.warning("job %s (%s): %s", attempt.id, attempt.function, text, extra={"job_id": attempt.id})
        attempt.send_log("ERROR", text, None)

    # -- the process

    def _start(self) -> Child:
        self._child = child = self._pool.start(self.thread.name)
        return child

    def _lose(self, child: Child) -> None:
        child.kill()
        self._child = None
        self._pool.pids.discard(child.pid)

    def _replace(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Have a fresh process; the hooks of the attempt for which the last one was killed run there."""
        try:
            child = self._start()
        except ChildFailed:
            return  # the next job tries again
        if outcome is None or not (attempt.definition.has_hooks or moments.hears(outcome)):
            return
        child.send(messages.Hooks(_facts(attempt), outcome))
        until = None if attempt.timeout_s is None else time.monotonic() + attempt.timeout_s
        try:
            while not isinstance(child.receive(_LOOK_S), messages.Done):
                if self._crew.closed or (until is not None and time.monotonic() > until):
                    raise EOFError
        except EOFError:
            logger.error("job %s: its hooks did not end", attempt.id, extra={"job_id": attempt.id})
            self._lose(child)


class _Lost(Exception):
    """The process died or was killed; ``outcome`` is what it had told before its hooks ran, if it had."""

    def __init__(self, outcome: Outcome | None) -> None:
        self.outcome = outcome


def hands_of(pool: Pool) -> Callable[[Crew, int], Hand]:
    """Return what makes the hands of a crew whose attempts run in ``pool``."""
    return lambda crew, number: ProcessHand(crew, number, pool)


def _facts(attempt: Attempt) -> JobFacts:
    return JobFacts(
        id=attempt.id,
        queue=attempt.queue,
        token=attempt.token,
        attempt=attempt.attempt,
        first_claim_ms=attempt.first_claim_ms,
        started_ms=attempt.started_ms,
        lane=attempt.lane,
        digest=attempt.digest,
        worker_id=attempt.worker_id,
        envelope=attempt.envelope,
        checkpoint=msgspec.Raw(attempt.stored_checkpoint) if attempt.stored_checkpoint else msgspec.UNSET,
    )


def _take_over(attempt: Attempt, news: messages.News) -> None:
    if news.progress is not None:
        attempt.set_progress(*news.progress)
    if news.checkpoint is not msgspec.UNSET:
        attempt.keep_checkpoint(bytes(news.checkpoint))
    if news.logs:
        attempt.add_logs(
            (log.at_ms, log.level, log.message, data if (data := bytes(log.data)) != b"null" else None)
            for log in news.logs
        )
    if news.artifacts:
        attempt.add_artifacts(news.artifacts)
