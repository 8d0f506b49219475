"""What Redis said to one submit, as far as this process knows it yet."""

from __future__ import annotations

import asyncio
import concurrent.futures
from dataclasses import dataclass
from typing import Protocol

from upnext_django.core.job import SubmitReply
from upnext_django.declare.ports import Delivery
from upnext_django.exceptions import UpNextError, WaitInTransaction

__all__ = ["Answer", "DeliveredAnswer", "PendingAnswer"]


class Answer(Protocol):
    """The answer to one submit. None instead of a reply: it was sent, the reply went elsewhere."""

    async def get(self, job_id: str) -> SubmitReply | None:
        """Return the reply when Redis has given it; raises what the send raised."""

    def get_sync(self, job_id: str, timeout: float | None) -> SubmitReply | None:
        """See get(); raises the builtin TimeoutError after ``timeout`` seconds."""


@dataclass(frozen=True, slots=True)
class DeliveredAnswer:
    """The ``index``-th answer of what sync code handed to the sender."""

    delivery: Delivery
    index: int = 0

    async def get(self, job_id: str) -> SubmitReply | None:
        return self._known(job_id)

    def get_sync(self, job_id: str, timeout: float | None) -> SubmitReply | None:
        return self._known(job_id)

    def _known(self, job_id: str) -> SubmitReply | None:
        if self.delivery.state == "deferred":
            raise WaitInTransaction(
                f"Job {job_id} is only sent when the transaction commits, so waiting for it inside would "
                "block for ever. Wait after transaction.atomic(), or submit it with "
                "task.options(on_commit=False)."
            )
        if self.delivery.state == "discarded":
            raise UpNextError(
                f"Job {job_id} was never sent: the transaction it waited for was rolled back. "
                "Submit it again, or with task.options(on_commit=False) to send it whatever happens."
            )
        return None if self.delivery.replies is None else self.delivery.replies[self.index]


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """The answer to a submit that the loop of ``reply`` sends."""

    reply: asyncio.Future[SubmitReply]

    async def get(self, job_id: str) -> SubmitReply | None:
        if self.reply.done():
            return self.reply.result()
        if self.reply.get_loop() is asyncio.get_running_loop():
            # Shielded: who stops waiting must not take back a submit that others rely on.
            return await asyncio.shield(self.reply)
        bridge = self._bridge()
        if bridge is None:
            return None
        return await asyncio.wrap_future(bridge)

    def get_sync(self, job_id: str, timeout: float | None) -> SubmitReply | None:
        if self.reply.done():
            return self.reply.result()
        bridge = self._bridge()
        return None if bridge is None else bridge.result(timeout)

    def _bridge(self) -> concurrent.futures.Future[SubmitReply] | None:
        """Return the reply for another thread; None if its loop has ended (the broker sent the job)."""
        bridge: concurrent.futures.Future[SubmitReply] = concurrent.futures.Future()

        def pass_on(reply: asyncio.Future[SubmitReply]) -> None:
            if reply.cancelled():
                bridge.cancel()
            elif bridge.set_running_or_notify_cancel():
                error = reply.exception()
                if error is None:
                    bridge.set_result(reply.result())
                else:
                    bridge.set_exception(error)

        try:
            self.reply.get_loop().call_soon_threadsafe(self.reply.add_done_callback, pass_on)
        except RuntimeError:  # the loop is closed
            return None
        return bridge
