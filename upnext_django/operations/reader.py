"""The history as ``get_job()`` reads it: the History port of ``declare``."""

from __future__ import annotations

from asgiref.sync import sync_to_async

from upnext_django.declare.job import Job
from upnext_django.models import JobRecord
from upnext_django.operations import history

__all__ = ["HistoryReader", "find"]


class HistoryReader:
    """Reads jobs that have left Redis from the database ``using``."""

    def __init__(self, *, using: str = "default") -> None:
        self._using = using

    def job(self, job_id: str) -> Job | None:
        """Return the job as its row tells it, None if there is no row."""
        return find(job_id, using=self._using)

    async def ajob(self, job_id: str) -> Job | None:
        """See job()."""
        return await sync_to_async(self.job)(job_id)


def find(job_id: str, *, using: str = "default") -> Job | None:
    """Return a job from the history by its id or the one its user gave it, None if it has no row.

    The result is in JSON's types and secret arguments are masked.
    """
    row = history.job(job_id, using=using) or history.job_given(job_id, using=using)
    return None if row is None else _job(row)


def _job(row: JobRecord) -> Job:
    arguments = row.arguments or {}
    return Job(
        id=row.id,
        task_name=row.function,
        function_name=row.function_name,
        queue=row.queue,
        status=row.status,
        args=tuple(arguments.get("args", ())),
        kwargs=arguments.get("kwargs", {}),
        retries=max(0, row.attempts - 1),
        max_retries=max(0, row.max_attempts - 1),
        result=row.result,
        error=row.error,
        created_at=row.created_at,
        run_at=row.run_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        parent_id=row.parent_id,
        root_id=row.root_id or row.id,
        replay_of=row.replay_of,
        duplicate_of=row.duplicate_of,
        priority=row.priority,
        worker_id=row.worker_id,
        progress=row.progress,
        progress_message=row.progress_message,
        cache_hit=row.cache_hit,
        meta=row.meta or {},
        sealed=bool(arguments.get("sealed", False)),
    )
