"""The job that runs here, as its function sees it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from upnext_django.core import codec
from upnext_django.core.artifact import ArtifactType
from upnext_django.declare import artifact, ports
from upnext_django.declare.current import RunningJob, current_job
from upnext_django.declare.job import Job, aget_job

__all__ = ["Context", "JobReader", "get_current_context"]

_FIELDS = (
    "job_id", "parent_id", "root_id", "attempt", "max_attempts", "function", "function_name",
    "worker_id", "is_cancelled", "meta", "last_checkpoint", "log", "broker",
)  # fmt: skip
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class JobReader:
    """What ``ctx["broker"]`` is: reads jobs by id."""

    async def get_job(self, job_id: str) -> Job:
        """See upnext_django.aget_job()."""
        return await aget_job(job_id)


class Context(Mapping[str, Any]):
    """The running job. Its attributes also read as items: ``ctx["job_id"]``.

    Good for the attempt it belongs to, in async tasks, threads and processes alike.
    """

    __slots__ = ("_job",)

    def __init__(self, job: RunningJob) -> None:
        self._job = job

    def __repr__(self) -> str:
        return f"<Context of {self.function} {self.job_id}, attempt {self.attempt} of {self.max_attempts}>"

    def __getitem__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise KeyError(f"{name!r} is not in the context; it has {', '.join(_FIELDS)}")
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_FIELDS)

    def __len__(self) -> int:
        return len(_FIELDS)

    def __eq__(self, other: object) -> bool:
        return self._job is other._job if isinstance(other, Context) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.job_id)

    @property
    def job_id(self) -> str:
        """The id of this job."""
        return self._job.id

    @property
    def parent_id(self) -> str | None:
        """The job that submitted this one, None at the top of a tree."""
        return self._job.parent_id

    @property
    def root_id(self) -> str:
        """The top of the tree; this job's own id there."""
        return self._job.root_id

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._job.attempt

    @property
    def max_attempts(self) -> int:
        """How many attempts there may be: ``retries`` + 1."""
        return self._job.max_attempts

    @property
    def function(self) -> str:
        """The function's identity, ``"shop.tasks.send"``."""
        return self._job.function

    @property
    def function_name(self) -> str:
        """The function's display name."""
        return self._job.function_name

    @property
    def worker_id(self) -> str:
        """The worker process that runs it."""
        return self._job.worker_id

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked for this job to stop; sync tasks look here."""
        return self._job.is_cancelled

    @property
    def meta(self) -> dict[str, Any]:
        """What ``options(meta=...)`` and ``UPNEXT["META"]`` gave the job on its way."""
        return self._job.meta

    @property
    def last_checkpoint(self) -> Any:
        """The state that checkpoint() kept last, in this attempt or one before; None if none did."""
        return self._job.last_checkpoint

    @property
    def log(self) -> logging.Logger:
        """A standard logger named after the function; its records go to the job's log too."""
        return logging.getLogger(f"upnext.task.{self._job.function}")

    @property
    def broker(self) -> JobReader:
        """Reads jobs by id: ``await ctx["broker"].get_job(job_id)``."""
        return JobReader()

    def set_progress(self, percent: float, message: str | None = None) -> None:
        """Show how far the job is: ``percent`` is clamped to 0..100, ``message`` is free text.

        At most 5 a second are sent and the last one always is. Raises ValueError for NaN.
        """
        number = float(percent)
        if math.isnan(number):
            raise ValueError(f"set_progress({percent!r}) is not a number; give 0 to 100.")
        # A lazy translation is read now, in the job's language.
        said = None if message is None else str(message)
        self._job.set_progress(min(100.0, max(0.0, number)), said)

    def checkpoint(self, state: Any) -> None:
        """Keep ``state`` (what JSON can carry) for the next attempt's ``last_checkpoint``.

        Raises ArgumentError for what cannot be encoded or is over ``MAX_PAYLOAD_BYTES``.
        """
        self._job.checkpoint(_encode(state, argument="state", function="checkpoint()"))

    def send_log(self, level: str | int, message: str, **data: Any) -> None:
        """Append a line to the job's log, whatever ``LOG_LEVEL`` says.

        ``level`` is "debug", "info", "warning", "error" or "critical", or ``logging``'s number of it.
        ``data`` is kept with it as JSON. Raises ValueError for another level, ArgumentError for data
        that cannot be encoded or are over ``MAX_PAYLOAD_BYTES``.
        """
        name = (logging.getLevelName(level) if isinstance(level, int) else str(level)).upper()
        if name not in _LEVELS:
            raise ValueError(f"send_log() has no level {level!r}; it takes {', '.join(_LEVELS).lower()}.")
        encoded = _encode(data, argument="data", function="send_log()") if data else None
        self._job.send_log(name, str(message), encoded)

    async def create_artifact(
        self, name: str, data: Any, artifact_type: ArtifactType | str = ArtifactType.JSON
    ) -> str:
        """See upnext_django.create_artifact()."""
        return await artifact.create_for(self._job, name, data, artifact_type)

    def create_artifact_sync(
        self, name: str, data: Any, artifact_type: ArtifactType | str = ArtifactType.JSON
    ) -> str:
        """See upnext_django.create_artifact_sync()."""
        return artifact.create_for_sync(self._job, name, data, artifact_type)


def get_current_context() -> Context:
    """Return the context of the job that runs here. Raises RuntimeError outside a job."""
    job = current_job.get()
    if job is None:
        raise RuntimeError(
            "No job runs here, so there is no context. Call get_current_context() inside a task; a new "
            "thread of your own sees it through contextvars.copy_context().run()."
        )
    return Context(job)


def _encode(value: Any, *, argument: str, function: str) -> bytes:
    most = ports.get_environment().max_payload_bytes
    return codec.encode(value, argument=argument, function=function, max_bytes=most)
