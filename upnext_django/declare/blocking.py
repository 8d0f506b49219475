"""What every wait does around its waiting: the slot, the timeout, the loop it must not block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Any

from upnext_django.declare.current import current_job

__all__ = ["Deadline", "refuse_in_loop", "slot_released", "slot_released_sync"]


class Deadline:
    """How much of a timeout is left; ``timeout`` is seconds from now, None is no end."""

    __slots__ = ("_end", "_timeout")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._end = None if timeout is None else monotonic() + timeout

    def left(self) -> float | None:
        """Return the seconds that are left, 0.0 at least; None is no end."""
        return None if self._end is None else max(0.0, self._end - monotonic())

    @contextmanager
    def told(self, job_id: str) -> Iterator[None]:
        """Let a TimeoutError of the block name the whole timeout, not what was left of it."""
        try:
            yield
        except TimeoutError:
            raise TimeoutError(
                f"Job {job_id} has not ended after {self._timeout} s; it goes on, only the wait is over."
            ) from None


def refuse_in_loop(call: str, twin: str) -> None:
    """Raise RuntimeError where an event loop runs in this thread: ``call`` would block all of it."""
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(f"{call} would block the running event loop; use {twin} here.")


@asynccontextmanager
async def slot_released() -> AsyncIterator[None]:
    """Let other jobs use this job's slot while the body waits. Nothing outside a job.

    The body begins when the slot is given back and the block ends when it is taken again, also
    when the waiting code is cancelled.
    """
    job = current_job.get()
    if job is None:
        yield
        return
    cancelled = await _to_the_end(job.suspend())
    try:
        if cancelled is not None:
            raise cancelled
        yield
    finally:
        cancelled = await _to_the_end(job.resume())
        if cancelled is not None:
            raise cancelled


@contextmanager
def slot_released_sync() -> Iterator[None]:
    """See slot_released()."""
    job = current_job.get()
    if job is None:
        yield
        return
    job.suspend_sync()
    try:
        yield
    finally:
        job.resume_sync()


async def _to_the_end(step: Coroutine[Any, Any, None]) -> asyncio.CancelledError | None:
    """Run ``step`` to its end and return a cancellation that came meanwhile.

    A suspend or resume that stops half way would leave the job's count of waits wrong for good.
    """
    running = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            cancelled = error
    running.result()
    return cancelled
