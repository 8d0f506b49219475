"""``self.request``: the running job in Celery's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from upnext_django.core.given import given_id_in
from upnext_django.declare.current import RunningJob, current_job

__all__ = ["Request", "current_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attempt of a job, as its task sees it.

    ``id`` is the ``task_id`` that the caller gave, else the job's own id. ``args`` and ``kwargs`` are in
    JSON's types. ``retries`` counts the attempts before this one. ``called_directly`` is True where no
    job runs: the task was called as a function.
    """

    id: str | None = None
    task: str | None = None
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    root_id: str | None = None
    parent_id: str | None = None
    hostname: str | None = None
    delivery_info: dict[str, Any] = field(default_factory=dict)
    called_directly: bool = True
    is_eager: bool = False

    @property
    def correlation_id(self) -> str | None:
        """The same as ``id``."""
        return self.id


def current_request(function: str) -> Request:
    """Return the request of the job of ``function`` that runs here; an empty one if none does."""
    job = current_job.get()
    return Request() if job is None or job.function != function else _request(job)


def _request(job: RunningJob) -> Request:
    args, kwargs = job.arguments
    return Request(
        id=given_id_in(job.key) or job.id,
        task=job.function,
        args=args,
        kwargs=kwargs,
        retries=job.attempt - 1,
        root_id=job.root_id,
        parent_id=job.parent_id,
        hostname=job.worker_id,
        delivery_info={"exchange": "", "routing_key": job.queue},
        called_directly=False,
    )
