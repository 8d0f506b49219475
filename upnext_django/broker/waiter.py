"""One caller's wait for one job, answered from the mailbox thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from upnext_django.core.job import Ending
from upnext_django.exceptions import JobNotFound, RedisUnavailable

if TYPE_CHECKING:
    from upnext_django.broker.broker import Broker

__all__ = ["ASK_AGAIN_S", "Waiter"]

#: How often an unanswered wait asks again: the belt for a reply that got lost with Redis's memory.
ASK_AGAIN_S = 10.0
_STEP_S = 1.0
_lock = threading.Lock()


class Waiter:
    """Waits for one job's end. Made by ``Broker.expect()``; may be used from any thread or loop."""

    __slots__ = ("_broker", "_callbacks", "_ending", "_failure", "follows", "job_id")

    def __init__(self, broker: Broker, job_id: str) -> None:
        self.job_id = job_id
        #: The wait for the job whose idempotency key won over this one's.
        self.follows: Waiter | None = None
        self._broker = broker
        self._ending: Ending | None = None
        self._failure: Exception | None = None
        self._callbacks: list[Callable[[], object]] = []

    @property
    def done(self) -> bool:
        return self._ending is not None or self._failure is not None

    @property
    def is_unknown(self) -> bool:
        """Whether it is done because Redis does not know the job."""
        return isinstance(self._failure, JobNotFound)

    @property
    def answer(self) -> tuple[Ending | None, Exception | None]:
        """The ending or the failure; neither while it waits."""
        return self._ending, self._failure

    def resolve(self, ending: Ending | None, failure: Exception | None = None) -> None:
        """Answer the wait, once; later answers change nothing."""
        with _lock:
            if self.done:
                return
            self._ending, self._failure = ending, failure
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` in the answering thread, or now if the answer is there."""
        with _lock:
            if not self.done:
                self._callbacks.append(callback)
                return
        callback()

    async def ending(self, timeout: float | None = None) -> Ending:
        """Return how the job ended. ``timeout`` in seconds, None waits for ever; raises TimeoutError."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        def answer() -> None:
            # The loop may have closed while we waited in another thread: nobody is left to wake.
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        self.when_done(answer)
        deadline = None if timeout is None else loop.time() + timeout
        while not self.done:
            step = ASK_AGAIN_S if deadline is None else min(ASK_AGAIN_S, deadline - loop.time())
            if step <= 0:
                raise self._too_long(timeout)
            await asyncio.wait({done}, timeout=step)
            if not self.done and (deadline is None or loop.time() < deadline):
                # Redis away is no end of the job: its answer, or the next question, comes when it is back.
                with suppress(RedisUnavailable):
                    await self._broker.watch(self)
        return self._result()

    def ending_sync(self, timeout: float | None = None) -> Ending:
        """See ending()."""
        event = threading.Event()
        self.when_done(event.set)
        began = time.monotonic()
        deadline = None if timeout is None else began + timeout
        ask_again = began + ASK_AGAIN_S
        while not self.done:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise self._too_long(timeout)
            if now >= ask_again:
                ask_again = now + ASK_AGAIN_S
                with suppress(RedisUnavailable):
                    self._broker.watch_sync(self)
            # In short steps: a thread past its deadline can only be interrupted between them.
            event.wait(_STEP_S if deadline is None else min(_STEP_S, deadline - now))
        return self._result()

    def close(self) -> None:
        """Stop waiting: a later answer is dropped."""
        self._broker.forget(self)

    def _result(self) -> Ending:
        if self._failure is not None:
            raise self._failure
        assert self._ending is not None
        return self._ending

    def _too_long(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(
            f"Job {self.job_id} has not ended after {timeout} s; it goes on, only the wait is over."
        )
