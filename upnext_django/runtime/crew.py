"""The threads that run sync functions of one Worker.

Jobs wait in one deque and idle threads pull from it, so a job costs no executor call and no future;
endings come back to the loop as a list. A thread runs them itself, or has a process of its own do it
(``runtime/pool``). One thread is woken at first and more while work is left
after a millisecond: for short jobs one thread beats many that fight for the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from upnext_django.core.environment import Environment
from upnext_django.runtime.attempt import Attempt, End

__all__ = ["Crew", "Hand", "Interrupted", "raise_in", "waiting_processes", "waiting_threads"]

_LOOK_AGAIN_S = 0.001
#: Endings of a crew with a backlog are collected this often: each look costs the loop as much as a job.
_GATHER_S = 0.01
#: While less than half of the backlog is done they may wait so much longer. To collect is a trip to settle
#: and one to claim, for which the loop takes the interpreter from the threads: of the time of ORM jobs
#: the loop had an eighth. What is in the backlog waits longer than this anyway.
_GATHER_MORE_S = 0.015


class Interrupted(BaseException):
    """Raised in a thread whose job ran past its deadline, at its next Python instruction."""


class Hand:
    """One thread of a crew. ``abandoned`` means: its job was settled without it; it ends when it returns."""

    #: Whether what it runs can be ended from outside at any moment.
    kills = False
    #: Whether one that is too many ends instead of resting: it keeps more than a thread.
    is_costly = False

    def __init__(self, crew: Crew, number: int) -> None:
        self._crew = crew
        self._gate = threading.Lock()
        self._gate.acquire()
        self._lock = threading.Lock()
        self._interrupted = False
        self._alarmed = False
        self.attempt: Attempt | None = None
        self.abandoned = False
        self.thread = threading.Thread(target=self._run, name=f"upnext-{crew.name}-{number}", daemon=True)

    def end(self, attempt: Attempt, why: str) -> None:
        """Hear that its attempt is to end; past the deadline Interrupted is raised in the thread."""
        if why != End.TIMEOUT:
            return
        with self._lock:
            if self.attempt is attempt and not self._interrupted:
                self._interrupted = True
                raise_in(self.thread, Interrupted)

    def sound(self, attempt: Attempt) -> None:
        """Raise the attempt's alarm in the thread, once, if it still runs this attempt and wants it."""
        with self._lock:
            if self.attempt is attempt and attempt.alarm is not None and not self._interrupted:
                error, attempt.alarm = attempt.alarm[1], None
                self._alarmed = True
                raise_in(self.thread, error)

    def calm(self) -> None:
        """Take back an alarm that the thread, which calls this, has not heard yet."""
        with self._lock:
            if self._alarmed:
                self._alarmed = False
                if not self._interrupted:
                    raise_in(self.thread, None)

    def wake(self) -> None:
        self._gate.release()

    def rest(self) -> None:
        self._gate.acquire()

    def _run(self) -> None:
        try:
            self._serve(self._crew)
        finally:
            self.dismiss()

    def dismiss(self) -> None:
        """Let go of what it has beside its thread, at its end. In the thread."""

    def _serve(self, crew: Crew) -> None:
        while not crew.closed:
            if self.is_costly and crew.dismisses_one():
                return
            try:
                attempt = crew.jobs.popleft()
            except IndexError:
                crew.rest(self)
                continue
            try:
                self.work(attempt)
            except Interrupted:
                # It arrived after the function had returned; the attempt is told of only once.
                crew.done(attempt, None)
            if self.abandoned:
                crew.left(self)
                return

    def work(self, attempt: Attempt) -> None:
        with self._lock:
            self.attempt = attempt
            attempt.hand = self
        attempt.start_clock()
        ending: Any = None
        try:
            # An empty context: what a job sets must not be seen by the next one in this thread.
            ending = contextvars.Context().run(self._crew.run, attempt)
        except Interrupted:
            ending = None
        finally:
            with self._lock:
                self.attempt = None
                if self._interrupted:
                    self._interrupted = False
                    raise_in(self.thread, None)
        self._crew.done(attempt, ending)


class WaitingLimit(NamedTuple):
    """How many of a crew may wait for children at once, and the setting that says so."""

    most: int
    what: str
    setting: str


def waiting_threads(environment: Environment) -> WaitingLimit:
    """Return the limit of a crew of threads."""
    return WaitingLimit(environment.max_waiting_threads, "threads", "MAX_WAITING_THREADS")


def waiting_processes(environment: Environment) -> WaitingLimit:
    """Return the limit of a crew whose hands have a process each, which costs much more."""
    return WaitingLimit(environment.max_waiting_processes, "processes", "MAX_WAITING_PROCESSES")


class Crew:
    """Up to ``size`` threads at work; those that wait for children do not count."""

    def __init__(
        self,
        name: str,
        *,
        size: int,
        waiting: WaitingLimit,
        loop: asyncio.AbstractEventLoop,
        run: Callable[[Attempt], Any],
        ended: Callable[[Attempt, Any], None],
        make_hand: Callable[[Crew, int], Hand] = Hand,
    ) -> None:
        self.name = name
        self.run = run
        self.jobs: deque[Attempt] = deque()
        self.closed = False
        self.stuck = 0
        self._size = size
        self._limit = waiting
        self._make_hand = make_hand
        self._hands: list[Hand] = []
        self._counting = threading.Lock()
        self._loop = loop
        self._ended = ended
        self._idle: list[Hand] = []
        self._alive = 0
        self._waiting = 0
        self._numbers = 0
        self._finished: deque[tuple[Attempt, Any]] = deque()
        self._signalled = False
        self._timer: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._step = 1

    # -- from the loop

    def put(self, attempt: Attempt) -> None:
        """Queue an attempt; ``wake`` starts the work."""
        self.jobs.append(attempt)

    def wake(self) -> None:
        if self.jobs and self._timer is None and (self._idle or self._may_grow):
            self._step = 1
            self._wake(1)
            self._timer = self._loop.call_later(_LOOK_AGAIN_S, self._look_again)

    def remove(self, attempt: Attempt) -> bool:
        """Take back an attempt no thread has begun; False if one has."""
        try:
            self.jobs.remove(attempt)
        except ValueError:
            return False
        return True

    def abandon(self, attempt: Attempt) -> None:
        """Go on without the thread that hangs in this attempt; another may take its place."""
        hand = attempt.hand
        if hand is not None and hand.attempt is attempt and not hand.abandoned:
            hand.abandoned = True
            self.stuck += 1
            with self._counting:
                self._alive -= 1
            self.wake()

    def close(self) -> None:
        """Let the threads end after their job; those that hang are daemons."""
        self.closed = True
        while self._wake_idle():
            pass

    def join(self, timeout_s: float) -> None:
        """Wait for the threads that end by themselves; not in the loop's thread."""
        until = time.monotonic() + timeout_s
        for hand in list(self._hands):
            hand.thread.join(max(0.0, until - time.monotonic()))

    # -- from the threads

    def rest(self, hand: Hand) -> None:
        """Wait for work. Whoever takes a hand off the idle list opens its gate."""
        if self._finished:
            # Nothing is left to do here until these free their slots.
            self._loop.call_soon_threadsafe(self._collect)
        self._idle.append(hand)
        if self.jobs or self.closed:
            try:
                self._idle.remove(hand)
                return
            except ValueError:
                pass  # it was taken off a moment ago: its gate opens
        hand.rest()

    def done(self, attempt: Attempt, ending: Any) -> None:
        self._finished.append((attempt, ending))
        if not self._signalled:
            self._signalled = True
            self._loop.call_soon_threadsafe(self._gather)

    def left(self, hand: Hand) -> None:
        self._loop.call_soon_threadsafe(self._unstick)

    def dismisses_one(self) -> bool:
        """Tell a hand to end, because there are more than places: some waited and came back."""
        with self._counting:
            if self._alive - self._waiting <= self._size:
                return False
            self._alive -= 1
        # It may have been the one that was woken for a job.
        self._loop.call_soon_threadsafe(self.wake)
        return True

    def lend_place(self, attempt: Attempt) -> None:
        """Let another thread start while this one waits."""
        if self._waiting >= self._limit.most:
            most, what, setting = self._limit
            raise RuntimeError(
                f"Job {attempt.id} cannot wait: {most} {what} of this worker wait already, and "
                f"UPNEXT['{setting}'] allows no more. Make the waiting task async."
            )
        with self._counting:
            self._waiting += 1
        self._loop.call_soon_threadsafe(self.wake)

    def take_place(self, attempt: Attempt) -> None:
        with self._counting:
            self._waiting -= 1

    # -- inside

    def _gather(self) -> None:
        """Let endings come together while the threads have more to do anyway."""
        if self.jobs and not self.closed:
            self._gathering = self._loop.call_later(_GATHER_S, self._gather_more)
        else:
            self._collect()

    def _gather_more(self) -> None:
        if len(self._finished) < len(self.jobs) and not self.closed:
            self._gathering = self._loop.call_later(_GATHER_MORE_S, self._collect)
        else:
            self._collect()

    def _collect(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._signalled = False
        finished = self._finished
        while finished:
            self._ended(*finished.popleft())

    def _unstick(self) -> None:
        self.stuck -= 1

    def _look_again(self) -> None:
        self._timer = None
        if self.jobs:
            self._step = min(self._step * 2, 16)
            self._wake(self._step)
            if self.jobs and (self._idle or self._may_grow):
                self._timer = self._loop.call_later(_LOOK_AGAIN_S, self._look_again)

    @property
    def _may_grow(self) -> bool:
        return self._alive - self._waiting < self._size

    def _wake(self, count: int) -> None:
        for _ in range(min(count, len(self.jobs))):
            if not self._wake_idle():
                if not self._may_grow:
                    return
                self._numbers += 1
                hand = self._make_hand(self, self._numbers)
                with self._counting:
                    self._alive += 1
                    self._hands = [other for other in self._hands if other.thread.is_alive()]
                    self._hands.append(hand)
                    hand.thread.start()

    def _wake_idle(self) -> bool:
        try:
            hand = self._idle.pop()
        except IndexError:
            return False
        hand.wake()
        return True


def raise_in(thread: threading.Thread, error: type[BaseException] | None) -> None:
    """Raise ``error`` in a thread at its next Python instruction; None takes back one not yet heard."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(error) if error is not None else None
        )
