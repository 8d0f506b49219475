"""Submits of one event loop to one queue: those that arrive while one is on its way leave together next."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from upnext_django.broker.scripts.submit import BATCH
from upnext_django.core.job import NewJob, SubmitReply
from upnext_django.exceptions import UpNextError

__all__ = ["Batcher"]

logger = logging.getLogger("upnext.submit")

#: What a send may raise. An error reply of another kind (no permission, say) must reach the waiting too.
_REFUSALS = (UpNextError, RedisError)
_Pending = tuple[NewJob, "asyncio.Future[SubmitReply]"]


class Batcher:
    """Sends single submits of one loop to one queue in batches of up to 200.

    A submit is sent even if its loop ends first: what is unsent or unanswered when the loop cancels
    its tasks goes out by ``send_sync``, and a job that had arrived already answers EXISTS.
    """

    def __init__(
        self,
        send: Callable[[Sequence[NewJob]], Awaitable[list[SubmitReply]]],
        send_sync: Callable[[Sequence[NewJob]], list[SubmitReply]],
    ) -> None:
        self._send = send
        self._send_sync = send_sync
        self._pending: deque[_Pending] = deque()
        self._flying: list[_Pending] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, job: NewJob) -> asyncio.Future[SubmitReply]:
        """Schedule the job's send; the future has Redis's answer or what prevented it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[SubmitReply] = loop.create_future()
        self._pending.append((job, future))
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run(), name="upnext-submit")
        return future

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._pending:
                    count = min(BATCH, len(self._pending))
                    self._flying = [self._pending.popleft() for _ in range(count)]
                    try:
                        replies = await self._send([job for job, _ in self._flying])
                    except _REFUSALS as error:
                        self._fail(error)
                    else:
                        self._answer(replies)
        finally:
            self.flush()
            # Both know the loop, which is about to end and would never be freed.
            self._task, self._wake = None, asyncio.Event()

    def flush(self) -> None:
        """Send what is left by the blocking way: the loop has no more time for it."""
        self._flying += self._pending
        self._pending.clear()
        if not self._flying:
            return
        try:
            replies = self._send_sync([job for job, _ in self._flying])
        except _REFUSALS as error:
            self._fail(error)
        else:
            self._answer(replies)

    def _answer(self, replies: Sequence[SubmitReply]) -> None:
        for (_, future), reply in zip(self._flying, replies, strict=True):
            if not future.done() and not future.get_loop().is_closed():
                future.set_result(reply)
        self._flying = []

    def _fail(self, error: Exception) -> None:
        # Logged here too: nobody may ever await the future, and then this line is all that tells.
        ids = [job.id for job, _ in self._flying]
        logger.error("not queued: %s. %s", ", ".join(ids), error, extra={"job_ids": ids})
        for _, future in self._flying:
            if not future.done() and not future.get_loop().is_closed():
                future.set_exception(error)
                future.exception()
        self._flying = []
