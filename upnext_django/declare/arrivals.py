"""Endings of several jobs, in the order they come, for one waiting thread."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from upnext_django.declare.blocking import Deadline
from upnext_django.declare.future import Future
from upnext_django.declare.ports import Waiter
from upnext_django.declare.result import TaskResult
from upnext_django.exceptions import RedisUnavailable

__all__ = ["Arrivals"]

#: How often unanswered waits ask again: the belt for an answer that got lost with Redis's memory.
_ASK_AGAIN_S = 10.0
#: A thread past its job's deadline can only be interrupted between two steps.
_STEP_S = 1.0


class Arrivals:
    """Watches Futures, each under a number of the caller's. Its length is how many have not arrived."""

    def __init__(self) -> None:
        self._landed: SimpleQueue[int] = SimpleQueue()
        self._watched: dict[int, tuple[Future[Any], Waiter]] = {}
        self._arrived: dict[int, tuple[Future[Any], Waiter]] = {}

    def __enter__(self) -> Arrivals:
        return self

    def __exit__(self, *error: object) -> None:
        for _, waiter in (*self._watched.values(), *self._arrived.values()):
            waiter.close()

    def __len__(self) -> int:
        return len(self._watched)

    def add(self, number: int, future: Future[Any]) -> None:
        """Watch ``future``. Raises WaitInTransaction for one that is not sent yet."""
        waiter = future.watched_sync()
        self._watched[number] = future, waiter
        waiter.when_done(partial(self._landed.put, number))

    def next(self, timeout: float | None = None) -> int:
        """Wait for the next ending and return its number; result() tells how it ended.

        Raises the builtin TimeoutError after ``timeout`` seconds; None waits for ever.
        """
        deadline = Deadline(timeout)
        ask_again = monotonic() + _ASK_AGAIN_S
        while True:
            left = deadline.left()
            try:
                number = self._landed.get(timeout=_STEP_S if left is None else min(left, _STEP_S))
            except Empty:
                if left is not None and left <= _STEP_S:
                    raise TimeoutError(f"No job ended within {timeout} s.") from None
                if monotonic() >= ask_again:
                    ask_again = monotonic() + _ASK_AGAIN_S
                    # Redis away is no end of a job: the answer, or the next question, comes when it is back.
                    with suppress(RedisUnavailable):
                        for future, waiter in self._watched.values():
                            future.watch_again_sync(waiter)
                continue
            self._arrived[number] = self._watched.pop(number)
            return number

    def result(self, number: int) -> TaskResult[Any]:
        """Return the result of what next() announced; raises as Future.result() does."""
        future, waiter = self._arrived.pop(number)
        try:
            return future.take_sync(waiter, 0)
        finally:
            waiter.close()
