"""aioq's view of a job: its field names and states."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from upnext_django.core.lifecycle import JobStatus as _Status
from upnext_django.declare import job as native
from upnext_django.declare.registry import registry

__all__ = ["Job", "JobStatus"]


class JobStatus(StrEnum):
    """aioq's states. ``waiting`` and ``dead`` never occur here: see docs/how-to/from-aioq.md."""

    pending = "pending"
    waiting = "waiting"
    running = "running"
    completed = "completed"
    failed = "failed"
    retrying = "retrying"
    cancelled = "cancelled"
    dead = "dead"


_STATUSES = {
    _Status.SCHEDULED: JobStatus.pending,
    _Status.QUEUED: JobStatus.pending,
    _Status.ACTIVE: JobStatus.running,
    _Status.RETRYING: JobStatus.retrying,
    _Status.COMPLETE: JobStatus.completed,
    _Status.FAILED: JobStatus.failed,
    _Status.CANCELLED: JobStatus.cancelled,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job at one moment; ask again for a newer view. Times are aware, None if not yet.

    ``retries`` counts the attempts after the first, of ``max_retries``; ``retry_delay`` (seconds) and
    ``save_result`` are those of its task, aioq's defaults where this process does not know it.
    """

    id: str
    task_name: str
    queue: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    priority: int = 0
    status: JobStatus = JobStatus.pending
    retries: int = 0
    max_retries: int = 0
    retry_delay: float = 5.0
    enqueued_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    run_at: datetime | None = None
    result: Any = None
    error: str | None = None
    worker_id: str | None = None
    save_result: bool = False

    @classmethod
    def of(cls, job: native.Job) -> Job:
        """Return aioq's view of ``job``."""
        task = registry.find(job.task_name)
        return cls(
            id=job.id,
            task_name=job.task_name,
            queue=job.queue,
            args=list(job.args),
            kwargs=job.kwargs,
            priority=job.priority,
            status=_STATUSES[_Status(job.status)],
            # aioq counts a retry when it is decided on, we when it begins.
            retries=job.retries + (job.status == _Status.RETRYING),
            max_retries=job.max_retries,
            retry_delay=5.0 if task is None else task.definition.retry_delay,
            enqueued_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            run_at=job.run_at,
            result=job.result,
            error=job.error,
            worker_id=job.worker_id,
            save_result=task is not None and task.definition.save_result,
        )
