"""A submitted job, seen by who submitted it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar, cast

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import Ending, LiveJob, SubmitAnswer, SubmitReply
from upnext_django.declare import arrival
from upnext_django.declare.answer import Answer
from upnext_django.declare.blocking import Deadline, refuse_in_loop, slot_released, slot_released_sync
from upnext_django.declare.deadlock import refuse_circle
from upnext_django.declare.job import look_elsewhere, look_elsewhere_sync
from upnext_django.declare.ports import Broker, Waiter
from upnext_django.declare.result import TaskResult, result_of
from upnext_django.declare.submission import Lineage

__all__ = ["Future"]

T_co = TypeVar("T_co", covariant=True)


class Future(Generic[T_co]):
    """A handle on one job: its id at once, its result when there is one.

    ``await future`` waits until Redis has taken the job and gives the Future itself. Where the
    submit's idempotency key belonged to a live job, everything but ``job_id`` is about that job.
    Waiting inside a job gives the job's slot back meanwhile. Stopping to wait never cancels the job.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_broker",
        "_cache",
        "_definition",
        "_digest",
        "_ending",
        "_lineage",
        "_winner",
        "job_id",
    )

    def __init__(
        self,
        job_id: str,
        *,
        definition: TaskDefinition,
        broker: Broker,
        lineage: Lineage,
        answer: Answer | None,
        digest: str = "",
        cache: str = "",
    ) -> None:
        self.job_id = job_id
        self._digest = digest
        self._cache = cache
        self._definition = definition
        self._broker = broker
        self._lineage = lineage
        self._answer = answer
        self._winner: str | None = None
        self._ending: Ending | None = None

    def __repr__(self) -> str:
        return f"<Future of {self._definition.function} {self.job_id}>"

    def __await__(self) -> Generator[Any, Any, Future[T_co]]:
        yield from self._target().__await__()
        return self

    @property
    def definition(self) -> TaskDefinition:
        """The function whose job this is."""
        return self._definition

    @property
    def duplicate_of(self) -> str | None:
        """The id of the live job that the idempotency key led to; None if this job is its own.

        Known once Redis has answered.
        """
        return self._winner

    async def result(self, timeout: float | None = None) -> TaskResult[T_co]:
        """Wait until the job has ended and return its result; ``timeout`` is seconds, None for ever.

        Raises TaskExecutionError if it failed or was cancelled (TaskTimeoutError if its last attempt
        ran too long), the builtin TimeoutError when ``timeout`` is over, and JobNotFound.
        """
        if self._ending is None:
            refuse_circle(self._definition, self._digest, self._cache)
            deadline = Deadline(timeout)
            target = await self._target()
            with deadline.told(self.job_id):
                waiter = await arrival.watched(self._broker, target, deadline.left())
            try:
                with deadline.told(self.job_id):
                    async with slot_released():
                        self._ending = await waiter.ending(deadline.left())
            finally:
                waiter.close()
            if self._ending.job_id != self.job_id:
                self._adopt(await self._broker.job(self._ending.job_id))
        return self._result(self._ending)

    def result_sync(self, timeout: float | None = None) -> TaskResult[T_co]:
        """See result(). Raises RuntimeError where an event loop runs."""
        refuse_in_loop("future.result_sync()", "await future.result()")
        if self._ending is not None:
            return self._result(self._ending)
        deadline = Deadline(timeout)
        with deadline.told(self.job_id):
            waiter = self.watched_sync(timeout)
        try:
            with deadline.told(self.job_id), slot_released_sync():
                return self.take_sync(waiter, deadline.left())
        finally:
            waiter.close()

    async def value(self, timeout: float | None = None) -> T_co:
        """Return what the function returned; see result()."""
        return (await self.result(timeout)).value

    def value_sync(self, timeout: float | None = None) -> T_co:
        """See value(). Raises RuntimeError where an event loop runs."""
        refuse_in_loop("future.value_sync()", "await future.value()")
        return self.result_sync(timeout).value

    async def cancel(self, tree: bool = False) -> bool:
        """Cancel the job, with ``tree`` its live descendants too.

        Returns whether it was live: False means that it had ended already. A waiting job never
        runs; a running one is asked to stop.
        """
        return await arrival.cancel(self._broker, await self._target(), tree=tree)

    def cancel_sync(self, tree: bool = False) -> bool:
        """See cancel()."""
        return arrival.cancel_sync(self._broker, self._target_sync(None), tree=tree)

    async def status(self) -> str:
        """Return the job's status now, "queued" or "complete"; raises JobNotFound.

        A job that waits in the outbox is "queued", or "scheduled" if it runs later.
        """
        target = await self._target()
        live = await self._broker.job(target)
        return (await look_elsewhere(self._broker, target)).status if live is None else live.status.value

    def status_sync(self) -> str:
        """See status()."""
        target = self._target_sync(None)
        live = self._broker.job_sync(target)
        return look_elsewhere_sync(self._broker, target).status if live is None else live.status.value

    def follow(self, answer: Answer) -> None:
        """Hear Redis's answer from ``answer``: for a job that is sent after its Future was made."""
        self._answer = answer

    def conclude(self, ending: Ending) -> TaskResult[T_co]:
        """Keep how the job ended and return its result; raises as result() does."""
        self._ending = ending
        return self._result(ending)

    def watched_sync(self, timeout: float | None = None) -> Waiter:
        """Return a waiter that Redis answers when the job ends; who asked closes it.

        ``timeout`` bounds the wait for a send that another thread's loop is still at, and for a job of
        the outbox to reach Redis; then the builtin TimeoutError is raised. Raises WorkflowDeadlock for a
        job that can only start when the waiting one has ended.
        """
        refuse_circle(self._definition, self._digest, self._cache)
        deadline = Deadline(timeout)
        return arrival.watched_sync(self._broker, self._target_sync(timeout), deadline.left())

    def watch_again_sync(self, waiter: Waiter) -> None:
        """Ask Redis once more for a waiter of watched_sync(), in case its answer was lost."""
        self._broker.watch_sync(waiter)

    def take_sync(self, waiter: Waiter, timeout: float | None) -> TaskResult[T_co]:
        """Wait for the answer of a waiter from watched_sync() and return the result; see result()."""
        ending = waiter.ending_sync(timeout)
        if ending.job_id != self.job_id:
            self._adopt(self._broker.job_sync(ending.job_id))
        return self.conclude(ending)

    async def _target(self) -> str:
        """Return the id of the job that this Future follows, once Redis has answered."""
        answer = self._answer
        if answer is not None:
            self._hear(await answer.get(self.job_id))
        return self._winner or self.job_id

    def _target_sync(self, timeout: float | None) -> str:
        answer = self._answer
        if answer is not None:
            self._hear(answer.get_sync(self.job_id, timeout))
        return self._winner or self.job_id

    def _hear(self, reply: SubmitReply | None) -> None:
        """Take in Redis's answer to the submit."""
        if reply is not None and reply.answer is SubmitAnswer.DUPLICATE:
            self._winner = reply.winner
        self._answer = None

    def _adopt(self, winner: LiveJob | None) -> None:
        """Take the lineage of the job that runs instead of this one, unless it is gone already."""
        if winner is not None:
            self._lineage = Lineage(winner.envelope.parent_id, winner.envelope.root_id)

    def _result(self, ending: Ending) -> TaskResult[T_co]:
        definition = self._definition
        result = result_of(
            ending,
            function=definition.function,
            function_name=definition.function_name,
            decode=definition.signature.decode_result,
            parent_id=self._lineage.parent_id,
            root_id=self._lineage.root_id or ending.job_id,
        )
        return cast("TaskResult[T_co]", result)
