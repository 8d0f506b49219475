"""The ways to submit a task, shared by a task and by what ``task.options()`` gives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, Unpack

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import NewJob
from upnext_django.declare import ports
from upnext_django.declare.answer import Answer, DeliveredAnswer, PendingAnswer
from upnext_django.declare.blocking import refuse_in_loop
from upnext_django.declare.future import Future
from upnext_django.declare.job import Job, job_from_live, job_from_new
from upnext_django.declare.options import Overrides, TaskOptions
from upnext_django.declare.ports import Broker
from upnext_django.declare.result import TaskResult
from upnext_django.declare.submission import Submission
from upnext_django.declare.waiting import Waiting, submit_and_wait_sync
from upnext_django.exceptions import JobNotFound

__all__ = ["TaskCall"]

P = ParamSpec("P")
T = TypeVar("T")


class TaskCall(Generic[P, T]):
    """A task with its per-call options, ready to be submitted any number of times.

    Every call raises TypeError for arguments that the function does not take and ArgumentError for
    those that cannot be sent, before anything leaves.
    """

    def __init__(self, definition: TaskDefinition, redis_url: str | None, overrides: Overrides) -> None:
        self.definition = definition
        self.overrides = overrides
        self._redis_url = redis_url
        self._last: Submission | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.definition.function}>"

    def options(self, **options: Unpack[TaskOptions]) -> TaskCall[P, T]:
        """Return this task with other options for the calls made through it; see TaskOptions.

        Raises TypeError for an unknown option or a wrong type, ValueError for a value out of range.
        """
        return TaskCall(self.definition, self._redis_url, self.overrides.merged(options))

    def broker(self) -> Broker:
        """Return the broker that this task's jobs go to."""
        return ports.broker(self._redis_url)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a job and return its Future.

        In sync code it has been sent on return, or leaves with the transaction around it. Where an
        event loop runs the send is scheduled and ``await future`` waits for Redis's answer.
        """
        return self._submit(args, kwargs, self.overrides)

    def submit_sync(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a job before returning, also where an event loop runs."""
        return self._submit_now(args, kwargs, self.overrides)

    def submit_idempotent(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a job unless one of ``key`` lives already; the Future then leads to that one."""
        return self._submit(args, kwargs, self._with_key(key))

    def submit_idempotent_sync(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See submit_idempotent() and submit_sync()."""
        return self._submit_now(args, kwargs, self._with_key(key))

    def wait(self, *args: P.args, **kwargs: P.kwargs) -> Waiting[T]:
        """Return the coroutine that submits a job and waits for its TaskResult.

        ``wait_timeout`` seconds is taken from the keywords unless the task has a parameter of that
        name; ``options(wait_timeout=...)`` is its typed form. Raises as Future.result() does.
        """
        return self._wait(args, kwargs, self.overrides)

    def wait_sync(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[T]:
        """See wait(). Raises RuntimeError where an event loop runs."""
        refuse_in_loop("task.wait_sync()", "await task.wait()")
        return self._wait_now(args, kwargs, self.overrides)

    def wait_idempotent(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> Waiting[T]:
        """Wait for the live job of ``key``, submitted if there is none; see wait()."""
        return self._wait(args, kwargs, self._with_key(key))

    def wait_idempotent_sync(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> TaskResult[T]:
        """See wait_idempotent(). Raises RuntimeError where an event loop runs."""
        refuse_in_loop("task.wait_idempotent_sync()", "await task.wait_idempotent()")
        return self._wait_now(args, kwargs, self._with_key(key))

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Submit a job and return its Job; the live one of the idempotency key if there is one."""
        broker = self.broker()
        job = self._submission(self.overrides).job(args, kwargs)
        reply = await asyncio.shield(broker.submit_soon(job))
        if reply.winner is None:
            return job_from_new(job)
        live = await broker.job(reply.winner)
        if live is None:
            raise JobNotFound(reply.winner)
        return job_from_live(live)

    def _with_key(self, key: str) -> Overrides:
        return self.overrides.merged({"key": key})

    def _submit(self, args: Sequence[Any], kwargs: Mapping[str, Any], overrides: Overrides) -> Future[T]:
        if asyncio._get_running_loop() is None:
            return self._submit_now(args, kwargs, overrides)
        broker = self.broker()
        submission = self._submission(overrides)
        job = submission.job(args, kwargs)
        return self._future(job, submission, broker, PendingAnswer(broker.submit_soon(job)))

    def _submit_now(self, args: Sequence[Any], kwargs: Mapping[str, Any], overrides: Overrides) -> Future[T]:
        broker = self.broker()
        submission = self._submission(overrides)
        job = submission.job(args, kwargs)
        delivery = ports.sender().send(broker, [job], using=overrides.using, on_commit=overrides.on_commit)
        return self._future(job, submission, broker, DeliveredAnswer(delivery))

    def _wait(self, args: Sequence[Any], kwargs: Mapping[str, Any], overrides: Overrides) -> Waiting[T]:
        kwargs, overrides = self._split(kwargs, overrides)
        broker = self.broker()
        submission = self._submission(overrides)
        job = submission.job(args, kwargs, reply=broker.client_id)
        return Waiting(job, self._future(job, submission, broker, None), broker, overrides.wait_timeout)

    def _wait_now(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], overrides: Overrides
    ) -> TaskResult[T]:
        kwargs, overrides = self._split(kwargs, overrides)
        broker = self.broker()
        submission = self._submission(overrides)
        job = submission.job(args, kwargs, reply=broker.client_id)
        return submit_and_wait_sync(job, self._future(job, submission, broker, None), broker, overrides)

    def _submission(self, overrides: Overrides) -> Submission:
        last = self._last
        if last is not None and overrides is self.overrides and last.holds():
            return last
        submission = Submission(self.definition, overrides)
        if overrides is self.overrides:
            self._last = submission
        return submission

    def _split(self, kwargs: Mapping[str, Any], overrides: Overrides) -> tuple[Mapping[str, Any], Overrides]:
        """Take ``wait_timeout`` out of the arguments, unless the function itself wants it."""
        if "wait_timeout" not in kwargs or self.definition.signature.has_parameter("wait_timeout"):
            return kwargs, overrides
        rest = dict(kwargs)
        return rest, overrides.merged({"wait_timeout": rest.pop("wait_timeout")})

    def _future(
        self, job: NewJob, submission: Submission, broker: Broker, answer: Answer | None
    ) -> Future[T]:
        return Future(
            job.id,
            definition=self.definition,
            broker=broker,
            lineage=submission.lineage,
            answer=answer,
            digest=job.digest,
            cache=job.cache,
        )
