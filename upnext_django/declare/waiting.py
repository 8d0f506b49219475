"""Submit and wait in one round trip: what ``task.wait()`` and ``task.wait_sync()`` do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import CoroutineType, TracebackType
from typing import Any, Generic, TypeVar, cast

from upnext_django.core.job import NewJob, SubmitAnswer
from upnext_django.declare import ports
from upnext_django.declare.answer import DeliveredAnswer, PendingAnswer
from upnext_django.declare.blocking import Deadline, slot_released, slot_released_sync
from upnext_django.declare.deadlock import refuse_circle
from upnext_django.declare.future import Future
from upnext_django.declare.options import Overrides
from upnext_django.declare.ports import Broker
from upnext_django.declare.result import TaskResult
from upnext_django.exceptions import TaskExecutionError, WaitInTransaction

__all__ = ["Waiting", "refuse_deferred", "submit_and_wait_sync"]

T_co = TypeVar("T_co", covariant=True)


class Waiting(Coroutine[Any, Any, TaskResult[T_co]]):
    """The coroutine of ``task.wait()``: submits the job when it is first awaited.

    ``asyncio.create_task()`` and ``asyncio.gather()`` take it. ``job_id`` is known at once. Cancelling
    the code that awaits it leaves the job running; ``cancel()`` cancels the job.
    """

    __slots__ = ("__weakref__", "_run", "_sending")

    def __init__(self, job: NewJob, future: Future[T_co], broker: Broker, timeout: float | None) -> None:
        self._sending = _Sending(job, future, broker, timeout)
        self._run = self._sending.submit_and_wait()
        # Python warns of a coroutine that nobody awaited, by this name.
        named = cast("CoroutineType[Any, Any, Any]", self._run)
        named.__qualname__ = f"{job.function}.wait"

    @property
    def job_id(self) -> str:
        """The id that the job has or will have."""
        return self._sending.job.id

    async def cancel(self, tree: bool = False) -> bool:
        """Cancel the job, see Future.cancel(). One that was not submitted yet never will be."""
        sending = self._sending
        if sending.is_sent:
            return await sending.future.cancel(tree)
        sending.is_cancelled = True
        return True

    def send(self, value: Any) -> Any:
        return self._run.send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Any:
        if isinstance(typ, BaseException):
            return self._run.throw(typ)
        return self._run.throw(val if isinstance(val, BaseException) else typ())

    def close(self) -> None:
        self._run.close()

    def __await__(self) -> Generator[Any, Any, TaskResult[T_co]]:
        return self._run.__await__()


class _Sending(Generic[T_co]):
    """What the coroutine works on; apart from Waiting, so that one nobody awaits is freed at once."""

    __slots__ = ("broker", "future", "is_cancelled", "is_sent", "job", "timeout")

    def __init__(self, job: NewJob, future: Future[T_co], broker: Broker, timeout: float | None) -> None:
        self.job = job
        self.future = future
        self.broker = broker
        self.timeout = timeout
        self.is_sent = False
        self.is_cancelled = False

    async def submit_and_wait(self) -> TaskResult[T_co]:
        job, broker, future = self.job, self.broker, self.future
        if self.is_cancelled:
            raise TaskExecutionError(job.id, "cancelled", "cancelled before it was submitted")
        refuse_circle(future.definition, job.digest, job.cache)
        deadline = Deadline(self.timeout)
        broker.listen(job.queue)
        waiter = broker.expect(job.id)
        try:
            self.is_sent = True
            sending = broker.submit_soon(job)
            future.follow(PendingAnswer(sending))
            # Shielded: who stops waiting does not take the job back.
            reply = await asyncio.shield(sending)
            if reply.answer is SubmitAnswer.DUPLICATE:
                return await future.result(deadline.left())
            if reply.answer is SubmitAnswer.EXISTS:
                await broker.watch(waiter)
            with deadline.told(job.id):
                async with slot_released():
                    ending = await waiter.ending(deadline.left())
        finally:
            waiter.close()
        return future.conclude(ending)


def refuse_deferred(function: str, overrides: Overrides) -> None:
    """Raise WaitInTransaction where a job of ``function`` would only leave on commit."""
    if ports.sender().defers(using=overrides.using, on_commit=overrides.on_commit):
        raise WaitInTransaction(
            f"{function} would only be sent when the transaction commits, so waiting for it inside would "
            "block for ever; it was not submitted. Wait after transaction.atomic(), or with "
            "task.options(on_commit=False)."
        )


def submit_and_wait_sync(
    job: NewJob, future: Future[T_co], broker: Broker, overrides: Overrides
) -> TaskResult[T_co]:
    """Send ``job``, which names this client in ``reply``, and wait for its result; see Future.result().

    Raises WaitInTransaction, and sends nothing, where the job would only leave on commit.
    """
    deadline = Deadline(overrides.wait_timeout)
    refuse_deferred(job.function, overrides)
    refuse_circle(future.definition, job.digest, job.cache)
    broker.listen(job.queue)
    waiter = broker.expect(job.id)
    try:
        delivery = ports.sender().send(broker, [job], using=overrides.using, on_commit=overrides.on_commit)
        answer = DeliveredAnswer(delivery)
        future.follow(answer)
        reply = answer.get_sync(job.id, None)
        if reply is not None and reply.answer is SubmitAnswer.DUPLICATE:
            return future.result_sync(deadline.left())
        if reply is not None and reply.answer is SubmitAnswer.EXISTS:
            broker.watch_sync(waiter)
        with deadline.told(job.id), slot_released_sync():
            ending = waiter.ending_sync(deadline.left())
    finally:
        waiter.close()
    return future.conclude(ending)
