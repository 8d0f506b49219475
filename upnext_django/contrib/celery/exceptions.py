"""The exceptions that Celery's tasks and results raise, under Celery's names."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

from upnext_django.exceptions import Retry as _Retry
from upnext_django.exceptions import UpNextError

__all__ = [
    "CeleryError",
    "MaxRetriesExceededError",
    "NotOffered",
    "Retry",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "TimeoutError",
]


#: Celery's own is a class apart; here a wait that takes too long raises the builtin.
TimeoutError = builtins.TimeoutError  # noqa: A001 - Celery's name


class CeleryError(UpNextError):
    """Base class of Celery's errors."""


class TaskError(CeleryError):
    """Base class of the errors of tasks."""


class MaxRetriesExceededError(TaskError):
    """``self.retry()`` without ``exc`` was called once more than ``max_retries`` allows."""


class TaskRevokedError(CeleryError):
    """The job whose result was asked for was cancelled."""


class SoftTimeLimitExceeded(Exception):
    """Raised in a task when its ``soft_time_limit`` is over; catch it to tidy up."""


class TimeLimitExceeded(Exception):
    """The job whose result was asked for ran longer than its ``time_limit``."""


class NotOffered(CeleryError, NotImplementedError):
    """Something of Celery's that there is no equal to here; the message names the way out."""


class Retry(_Retry):
    """Raised by ``self.retry()``: the attempt ends here and the job runs again.

    ``exc`` is the reason that was given, ``when`` the seconds or the moment until then.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        when: float | datetime | None = None,
        *,
        after: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        delay = "" if when is None else f" {when}" if isinstance(when, datetime) else f" in {when:g}s"
        reason = "" if exc is None else f": {exc!r}"
        super().__init__(message or f"Retry{delay}{reason}", after=after, max_retries=max_retries)
        self.exc = exc
        self.when = when

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.exc, self.when)
