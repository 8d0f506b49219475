"""``AsyncResult``: a job by its id, in Celery's words."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from upnext_django import conf
from upnext_django.contrib.celery import exceptions, states
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.declare import ports
from upnext_django.declare.blocking import Deadline
from upnext_django.declare.future import Future
from upnext_django.declare.job import Job, get_job
from upnext_django.declare.registry import registry
from upnext_django.declare.submission import Lineage
from upnext_django.exceptions import JobNotFound, TaskExecutionError, TaskTimeoutError

if TYPE_CHECKING:
    from upnext_django.contrib.celery.task import Task

__all__ = ["AsyncResult", "GroupResult"]

_TIMED_OUT = re.compile(r"(\d+(?:\.\d+)?) seconds")
#: A parent that failed with its child, as a chain does.
_OF_A_CHILD = re.compile(
    r"Task(?:Execution|Timeout)Error: Job \S+ (?P<status>failed|cancelled): (?P<error>.*)", re.DOTALL
)
_OURS = {
    error.__name__: error for error in (exceptions.MaxRetriesExceededError, exceptions.SoftTimeLimitExceeded)
}


class AsyncResult:
    """A job, asked anew at each question.

    ``id`` is the ``task_id`` that was given, else the job's own id. Its properties and get() block:
    in async code await the task's ``submit()``, or ``result.future``.
    """

    def __init__(self, id: str, *, task: Task | None = None, future: Future[Any] | None = None) -> None:
        self.id = id
        self.future = future
        self._task = task

    @classmethod
    def of(cls, future: Future[Any]) -> AsyncResult:
        """Return the result of a job that has no shared task, such as a chain's."""
        return cls(future.job_id, future=future)

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"

    def __str__(self) -> str:
        return self.id

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, AsyncResult) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def task_id(self) -> str:
        """The same as ``id``."""
        return self.id

    @property
    def state(self) -> str:
        """PENDING, STARTED, RETRY, SUCCESS, FAILURE or REVOKED; PENDING also for a job nobody knows."""
        job = self._job()
        return states.PENDING if job is None else states.state_of(job.status)

    @property
    def status(self) -> str:
        """The same as ``state``."""
        return self.state

    @property
    def result(self) -> Any:
        """The return value of a job that succeeded, the exception of one that did not; else None."""
        job = self._job()
        if job is None:
            return None
        if job.error is not None and job.status != JobStatus.COMPLETE:
            return self._exception(job.status, job.error)
        return None if self._is_ignored else job.result

    @property
    def info(self) -> Any:
        """The same as ``result``."""
        return self.result

    @property
    def traceback(self) -> str | None:
        """Where the last attempt failed, None if it did not; a job that was retried keeps each."""
        # Not above: an app may be made before Django has loaded its models.
        from upnext_django.operations import history

        live = self._broker.job_sync(self.id)
        if live is not None and live.ending is not None:
            return live.ending.traceback
        job = self._job()
        if job is None or not conf.get().history:
            return None
        attempts = history.attempts(job.id, limit=1, using=conf.get().database)
        return attempts[0].traceback if attempts else None

    @property
    def date_done(self) -> datetime | None:
        """When it ended; None if it has not."""
        job = self._job()
        return None if job is None else job.completed_at

    @property
    def retries(self) -> int:
        """How many attempts there were after the first."""
        job = self._job()
        return 0 if job is None else job.retries

    def ready(self) -> bool:
        """Return whether it has ended."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        """Return whether it has ended well."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Return whether it has failed for good."""
        return self.state == states.FAILURE

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        disable_sync_subtasks: bool = True,
    ) -> Any:
        """Wait for the end and return the value; None at once with ``ignore_result``.

        Raises what the task raised (a builtin exception, one that the task's options name, else a
        TaskExecutionError), TaskRevokedError if it was cancelled, TimeLimitExceeded; without
        ``propagate`` that is returned. Raises the builtin TimeoutError after ``timeout`` seconds and
        JobNotFound for an id that nobody knows. May be called inside a task, which holds no slot
        meanwhile; ``interval`` and ``disable_sync_subtasks`` have no effect, since nothing polls.
        """
        if self._is_ignored:
            return None
        try:
            return self._value(timeout)
        except TaskExecutionError as error:
            told = self._exception(error.status, error.error, timed_out=isinstance(error, TaskTimeoutError))
            if propagate:
                raise told from error
            return told

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """See get()."""
        return self.get(*args, **kwargs)

    def revoke(
        self, connection: Any = None, terminate: bool = False, signal: Any = None, wait: bool = False
    ) -> None:
        """Cancel the job: one that waits never runs, one that runs is stopped only with ``terminate``.

        A sync function that runs is asked to stop and sees it in ``is_cancelled`` of its context.
        """
        job = self._job()
        if terminate or job is None or job.status != JobStatus.ACTIVE:
            self._broker.cancel_sync(self.id)

    def forget(self) -> None:
        """Do nothing: Redis forgets a result after a day, the history when its retention says so."""

    @property
    def _broker(self) -> ports.Broker:
        return ports.broker() if self._task is None else self._task.broker()

    @property
    def _is_ignored(self) -> bool:
        return self._task is not None and self._task.celery_options.ignore_result

    def _job(self) -> Job | None:
        try:
            return get_job(self.id)
        except JobNotFound:
            return None

    def _value(self, timeout: float | None) -> Any:
        future = self.future
        if future is None:
            job = get_job(self.id)
            if JobStatus(job.status) in TERMINAL:
                return self._value_of(job)
            future = Future(
                job.id,
                definition=registry.task(job.task_name).definition,
                broker=self._broker,
                lineage=Lineage(job.parent_id, job.root_id),
                answer=None,
            )
        try:
            return future.value_sync(timeout)
        except JobNotFound:
            # It left Redis: the history may know how it ended.
            return self._value_of(get_job(self.id))

    def _value_of(self, job: Job) -> Any:
        if job.status == JobStatus.COMPLETE:
            return job.result
        error = job.error or job.status
        kind = TaskTimeoutError if _TIMED_OUT.fullmatch(error) else TaskExecutionError
        raise kind(job.id, job.status, error)

    def _exception(self, status: str, error: str, *, timed_out: bool = False) -> BaseException:
        """Return the exception that a job's error text tells of, of a class that is known here."""
        inner = _OF_A_CHILD.fullmatch(error)
        if inner is not None:
            return self._exception(inner["status"], inner["error"])
        if status == JobStatus.CANCELLED:
            return exceptions.TaskRevokedError(error)
        seconds = _TIMED_OUT.fullmatch(error)
        if timed_out or seconds is not None:
            return exceptions.TimeLimitExceeded(float(seconds[1]) if seconds else error)
        name, _, text = error.partition(": ")
        kind = _class_named(name)
        if kind is None:
            return TaskExecutionError(self.id, status, error)
        if kind is KeyError:
            text = _unquoted(text)
        try:
            return kind(text) if text else kind()
        except TypeError:
            # Its constructor wants more than a text.
            return TaskExecutionError(self.id, status, error)


class GroupResult:
    """The results of a group, in its order."""

    def __init__(self, results: list[Any]) -> None:
        self.results = results

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> Any:
        return self.results[index]

    def get(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """Wait for all and return their values; ``timeout`` bounds the whole. Raises as AsyncResult.get()."""
        deadline = Deadline(timeout)
        return [result.get(deadline.left(), propagate) for result in self.results]

    join = get

    def ready(self) -> bool:
        """Return whether all have ended."""
        return all(result.ready() for result in self.results)

    def successful(self) -> bool:
        """Return whether all have ended well."""
        return all(result.successful() for result in self.results)

    def failed(self) -> bool:
        """Return whether one has failed for good."""
        return any(result.failed() for result in self.results)

    def completed_count(self) -> int:
        """Return how many have ended well."""
        return sum(result.successful() for result in self.results)

    def revoke(self, terminate: bool = False) -> None:
        """Cancel all; see AsyncResult.revoke()."""
        for result in self.results:
            result.revoke(terminate=terminate)


def _class_named(name: str) -> type[BaseException] | None:
    """Return the exception class that a builtin, Celery or an option of a task here gives this name."""
    from upnext_django.contrib.celery.task import Task

    known: dict[str, type[BaseException]] = dict(_OURS)
    for task in registry.tasks:
        if isinstance(task, Task):
            options = task.celery_options
            named = options.autoretry_for + options.dont_autoretry_for + options.throws
            known |= {each.__name__: each for each in named}
    kind = known.get(name) or getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
