"""What a waiter gets: the value of a job that completed, or the error of one that did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from upnext_django.core.job import Ending
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import TaskExecutionError, TaskTimeoutError

__all__ = ["TaskResult", "moment", "result_of"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult(Generic[T_co]):
    """How a job ended. ``wait()`` and ``result()`` only ever return one with ``ok`` True.

    ``value`` is what the function returned, None if it was not saved. ``function`` is the identity
    (``"shop.tasks.send"``), ``function_name`` the display name. ``status`` is "complete", "failed" or
    "cancelled". ``started_at`` (of the last attempt) is None for a job that never ran; both times are
    aware. ``parent_id`` is None at the top of a tree, where ``root_id`` is the job's own id. With
    ``cache_hit`` the value was cached: the function did not run, and ``attempts`` is 0.
    """

    value: T_co
    job_id: str
    function: str
    function_name: str
    status: str
    started_at: datetime | None
    completed_at: datetime
    attempts: int
    parent_id: str | None
    root_id: str
    error: str | None = None
    cache_hit: bool = False

    @property
    def ok(self) -> bool:
        """Whether the job completed."""
        return self.status == JobStatus.COMPLETE.value


def moment(ms: int | None) -> datetime | None:
    """Return ms since 1970 as an aware datetime; None and 0 mean that it has not happened."""
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None


def result_of(
    ending: Ending,
    *,
    function: str,
    function_name: str,
    decode: Callable[[bytes], Any],
    parent_id: str | None,
    root_id: str,
) -> TaskResult[Any]:
    """Return the TaskResult of a job that completed.

    Raises TaskTimeoutError or TaskExecutionError, with the TaskResult in it, for one that did not.
    """
    data = ending.data
    complete = ending.status is JobStatus.COMPLETE
    error = None if complete else data.error or str(ending.status)
    result = TaskResult(
        value=decode(bytes(data.result)) if complete and isinstance(data.result, msgspec.Raw) else None,
        job_id=ending.job_id,
        function=function,
        function_name=function_name,
        status=ending.status.value,
        started_at=moment(data.started_ms),
        completed_at=datetime.fromtimestamp(ending.completed_ms / 1000, UTC),
        attempts=data.attempt,
        parent_id=parent_id,
        root_id=root_id,
        error=error,
        cache_hit=data.cache_hit,
    )
    if error is None:
        return result
    kind = TaskTimeoutError if data.timed_out else TaskExecutionError
    raise kind(ending.job_id, result.status, error, result)
