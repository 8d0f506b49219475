"""``RedisBroker``: where an app's jobs go, and what asks for them by id."""

from __future__ import annotations

from typing import Self

from upnext_django.contrib.aioq.models import Job
from upnext_django.core.lifecycle import JobStatus
from upnext_django.declare import ports
from upnext_django.declare.job import job_from_live

__all__ = ["RedisBroker"]


class RedisBroker:
    """The Redis at ``url``; None is ``UPNEXT["REDIS_URL"]``. Making one connects to nothing."""

    def __init__(self, url: str | None = None) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing, like connect() and disconnect()."""

    async def connect(self) -> None:
        """Do nothing: connections are opened when they are first needed."""

    async def disconnect(self) -> None:
        """Do nothing: connections are shared by the process."""

    async def get_job(self, job_id: str) -> Job | None:
        """Return the job from Redis, else from the history; None if neither has it."""
        live = await ports.broker(self.url).job(job_id)
        if live is not None:
            return Job.of(job_from_live(live))
        history = ports.history()
        kept = None if history is None else await history.ajob(job_id)
        return None if kept is None else Job.of(kept)

    async def cancel_job(self, job_id: str) -> bool:
        """Cancel a job that waits, for its turn or a retry; False for one that runs, ended or is unknown.

        One that begins between the two steps of this call is asked to stop.
        """
        broker = ports.broker(self.url)
        live = await broker.job(job_id)
        if live is None or live.status is JobStatus.ACTIVE:
            return False
        return await broker.cancel(job_id)
