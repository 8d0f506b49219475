"""Every exception of upnext_django, in one tree.

Nothing here imports Django or Redis, so a caller can catch these anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ArgumentError",
    "Backpressure",
    "BulkActionNotFound",
    "DefinitionError",
    "EncryptionError",
    "IdempotencyKeyReused",
    "InvalidBulkMove",
    "InvalidTransition",
    "JobNotFound",
    "NotForApi",
    "RedisUnavailable",
    "Retry",
    "ScheduleExhausted",
    "ScheduleNotFound",
    "ScriptError",
    "SecretNotFound",
    "TaskExecutionError",
    "TaskTimeoutError",
    "TokenNotFound",
    "UnknownQueue",
    "UnknownTask",
    "UpNextError",
    "WaitInTransaction",
    "WorkerNotFound",
    "WorkflowDeadlock",
]


class UpNextError(Exception):
    """Base class of every error that upnext_django raises on its own account."""


class DefinitionError(UpNextError, ValueError):
    """A declaration makes no sense: a bad option of a task, worker, cron or event."""


class ArgumentError(UpNextError, ValueError):
    """An argument or a return value cannot be sent as JSON.

    ``argument`` is the parameter's name, ``"return value"`` for a result.
    """

    def __init__(self, message: str, *, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


class UnknownQueue(UpNextError, LookupError):
    """A submit names a queue that no worker declares and ``UPNEXT["QUEUES"]`` does not list."""


class UnknownTask(UpNextError, LookupError):
    """A name that no task of this process has."""


class EncryptionError(UpNextError):
    """Something cannot be encrypted or decrypted here: no key, another key, or no cryptography.

    A job that ends so is retried while attempts are left, whatever ``retry_on`` says: its payload is
    as it was.
    """


class SecretNotFound(UpNextError, LookupError):
    """A secret that nobody has set. ``names`` are all that are missing."""

    def __init__(self, message: str, *, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = tuple(names)


class JobNotFound(UpNextError, LookupError):
    """Neither Redis nor the history knows this job id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job {job_id} is neither in Redis nor in the history; "
            "its result expired or its row was pruned, or the id was never submitted."
        )
        self.job_id = job_id


class WorkerNotFound(UpNextError, LookupError):
    """No worker of this id is registered: it has ended, or never was."""

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            f"No worker {worker_id} is registered in Redis: it has ended, was silent for long, or the id is "
            "wrong. A worker that is started again has another id."
        )
        self.worker_id = worker_id


class IdempotencyKeyReused(UpNextError):
    """An idempotency key of the API came again with another request than the first time."""


class NotForApi(UpNextError):
    """A function was asked for through the API that is not declared with ``api=True``."""


class InvalidTransition(UpNextError):
    """An operator asked for a move that the job's status forbids.

    ``successor`` is the job that was made from it already, None where there is none.
    """

    def __init__(
        self,
        job_id: str,
        current: str,
        target: str,
        allowed: Sequence[str] = (),
        *,
        successor: str | None = None,
    ) -> None:
        rule = f"; only {' or '.join(allowed)} jobs can be {target}" if allowed else ""
        super().__init__(f"Job {job_id} is {current}{rule}.")
        self.job_id = job_id
        self.current = current
        self.target = target
        self.successor = successor


class BulkActionNotFound(UpNextError, LookupError):
    """No bulk action has this key."""

    def __init__(self, pk: int) -> None:
        super().__init__(f"There is no bulk action {pk}.")
        self.pk = pk


class InvalidBulkMove(UpNextError):
    """An operator asked for what a bulk action's status forbids."""

    def __init__(self, pk: int, current: str, target: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"Bulk action {pk} is {current}; only one that is {' or '.join(allowed)} can be {target}."
        )
        self.pk = pk
        self.current = current


class RedisUnavailable(UpNextError):
    """Redis did not answer in time, or would not do it. ``url`` has its password masked.

    ``refused`` is whether it was there and answered with an error.
    """

    def __init__(self, message: str, *, url: str, refused: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.refused = refused


class Backpressure(UpNextError):
    """More events wait for the mirror than ``UPNEXT["MAX_EVENTS"]`` allows; nothing was queued."""


class WaitInTransaction(UpNextError):
    """Waiting inside ``transaction.atomic()`` for a job that is only sent on its commit."""


class WorkflowDeadlock(UpNextError):
    """A wait that can never end: its circle runs through ``max_concurrency`` or a ``cache_key``."""


class ScheduleExhausted(UpNextError):
    """A cron expression has no further run within the search horizon."""


class ScriptError(UpNextError):
    """A file, or what was asked of it, that ``upnext.run()`` or the console script cannot run."""


class ScheduleNotFound(UpNextError, LookupError):
    """No schedule has this name: no row, and no cron declared in this process or by a live worker."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no schedule {name!r}. `manage.py upnext_schedule list` shows all; a cron declared in "
            "code has the identity of its function, like 'shop.tasks.send_report'."
        )
        self.name = name


class TokenNotFound(UpNextError, LookupError):
    """No API token has this prefix."""

    def __init__(self, prefix: str) -> None:
        super().__init__(f"There is no API token {prefix!r}. `manage.py upnext_token list` shows all.")
        self.prefix = prefix


class Retry(Exception):
    """Raise inside a task to be run again, whatever ``retry_on`` says. Spends an attempt.

    ``after`` is the delay in seconds; None takes the task's own delay and backoff. ``max_retries`` is
    how many retries the job may have in all, this one included; None is the task's ``retries``.
    """

    def __init__(
        self,
        message: str = "retry requested",
        *,
        after: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(message)
        self.after = after
        self.max_retries = max_retries


class TaskExecutionError(UpNextError):
    """A job that somebody waited for ended as failed or cancelled.

    ``status`` is "failed" or "cancelled", ``error`` is like ``"ValueError: text"`` and
    ``task_result`` the whole ``TaskResult``.
    """

    def __init__(self, job_id: str, status: str, error: str, task_result: Any = None) -> None:
        super().__init__(f"Job {job_id} {status}: {error}")
        self.job_id = job_id
        self.status = status
        self.error = error
        self.task_result = task_result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id, self.status, self.error, self.task_result)


class TaskTimeoutError(TaskExecutionError):
    """The job's last attempt ran longer than its ``timeout``; ``error`` is like ``"30.0 seconds"``."""
