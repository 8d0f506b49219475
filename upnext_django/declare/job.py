"""A job as its submitter sees it, read from Redis or from the history."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from upnext_django.core.job import Envelope, LiveJob, NewJob
from upnext_django.core.lifecycle import JobStatus
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.declare.result import moment
from upnext_django.exceptions import JobNotFound

__all__ = [
    "Job",
    "aget_job",
    "get_job",
    "job_from_live",
    "job_from_new",
    "look_elsewhere",
    "look_elsewhere_sync",
]

_ENVELOPE = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job at one moment; ask again for a newer view.

    ``task_name`` is the identity (``"shop.tasks.send"``). ``args`` and ``kwargs`` are as they travel,
    in JSON's types, sensitive ones masked; ``sealed`` says that Redis has them encrypted. ``retries`` counts
    the attempts after the first, of ``max_retries``. ``result`` is None until the job is complete,
    ``error`` until an attempt failed. ``cache_hit`` says that the result was cached and nothing ran. Times
    are aware, None if not yet.
    """

    id: str
    task_name: str
    function_name: str
    queue: str
    status: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    max_retries: int = 0
    result: Any = None
    error: str | None = None
    created_at: datetime | None = None
    run_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    parent_id: str | None = None
    root_id: str
    replay_of: str | None = None
    duplicate_of: str | None = None
    priority: int = 0
    worker_id: str | None = None
    progress: float | None = None
    progress_message: str | None = None
    cache_hit: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    sealed: bool = False

    @property
    def job_id(self) -> str:
        """The same as ``id``."""
        return self.id

    @property
    def function(self) -> str:
        """The same as ``task_name``."""
        return self.task_name


def job_from_live(live: LiveJob) -> Job:
    """Return the view of a job in Redis; the result has the type that its function declares."""
    envelope, ending = live.envelope, live.ending
    args, kwargs = _arguments(envelope)
    result = None
    if live.status is JobStatus.COMPLETE and ending is not None and ending.result is not msgspec.UNSET:
        result = _decode_result(envelope.function, bytes(ending.result))
    return Job(
        id=live.id,
        task_name=envelope.function,
        function_name=envelope.function_name,
        queue=live.queue,
        status=live.status.value,
        args=args,
        kwargs=kwargs,
        retries=max(0, live.attempts - 1),
        max_retries=max(0, envelope.max_attempts - 1),
        result=result,
        error=None if ending is None or live.status is JobStatus.COMPLETE else ending.error,
        created_at=moment(live.created_ms),
        run_at=moment(live.run_at_ms),
        started_at=moment(live.started_ms),
        completed_at=moment(live.completed_ms),
        parent_id=envelope.parent_id,
        root_id=envelope.root_id or live.id,
        replay_of=envelope.replay_of,
        duplicate_of=live.duplicate_of,
        priority=envelope.priority,
        worker_id=live.worker_id,
        progress=live.progress,
        progress_message=live.progress_message,
        cache_hit=ending is not None and ending.cache_hit,
        meta={key: msgspec.json.decode(raw) for key, raw in (envelope.meta or {}).items()},
        sealed=envelope.sealed,
    )


def get_job(job_id: str) -> Job:
    """Return the job from Redis, else from the history or the outbox. Raises JobNotFound if none has it.

    ``job_id`` may also be an id that a user gave (``apply_async(task_id=...)``): the newest job of it.
    """
    broker = ports.broker()
    live = broker.job_sync(job_id)
    return look_elsewhere_sync(broker, job_id) if live is None else job_from_live(live)


async def aget_job(job_id: str) -> Job:
    """See get_job()."""
    broker = ports.broker()
    live = await broker.job(job_id)
    return await look_elsewhere(broker, job_id) if live is None else job_from_live(live)


async def look_elsewhere(broker: ports.Broker, job_id: str) -> Job:
    """Return a job that Redis did not have, from the history or the outbox; raises JobNotFound."""
    history, outbox = ports.history(), ports.outbox()
    job = None if history is None else await history.ajob(job_id)
    if job is None and outbox is not None:
        job = await outbox.ajob(job_id)
        # It may have gone from there to Redis between the two looks.
        if job is None and (live := await broker.job(job_id)) is not None:
            job = job_from_live(live)
    return _found(job_id, job)


def look_elsewhere_sync(broker: ports.Broker, job_id: str) -> Job:
    """See look_elsewhere()."""
    history, outbox = ports.history(), ports.outbox()
    job = None if history is None else history.job(job_id)
    if job is None and outbox is not None:
        job = outbox.job(job_id)
        if job is None and (live := broker.job_sync(job_id)) is not None:
            job = job_from_live(live)
    return _found(job_id, job)


def job_from_new(new: NewJob, submitted_ms: int | None = None) -> Job:
    """Return the view of a job that was just submitted, or at ``submitted_ms``, without asking Redis."""
    now_ms = time.time_ns() // 1_000_000
    created_ms = now_ms if submitted_ms is None else submitted_ms
    run_at_ms = new.at_ms if new.delay_ms is None else created_ms + new.delay_ms
    waits = run_at_ms is not None and run_at_ms > now_ms
    envelope = _ENVELOPE.decode(new.envelope)
    return job_from_live(
        LiveJob(
            id=new.id,
            queue=new.queue,
            status=JobStatus.SCHEDULED if waits else JobStatus.QUEUED,
            envelope=envelope,
            attempts=0,
            crashes=0,
            handbacks=0,
            seq=1,
            created_ms=created_ms,
            run_at_ms=run_at_ms,
            started_ms=None,
            completed_ms=None,
            worker_id=None,
            progress=None,
            progress_message=None,
            checkpoint=None,
            ending=None,
            duplicate_of=None,
            cancel_asked=False,
        )
    )


def _found(job_id: str, job: Job | None) -> Job:
    if job is None:
        raise JobNotFound(job_id)
    return job


def _arguments(envelope: Envelope) -> tuple[tuple[Any, ...], dict[str, Any]]:
    raw: bytes | msgspec.Raw = envelope.args
    if envelope.sealed:
        if envelope.shown is msgspec.UNSET:
            return (), {}
        raw = envelope.shown
    args, kwargs = msgspec.json.decode(raw)
    task = registry.find(envelope.function)
    if task is not None and task.definition.sensitive:
        # It may have been submitted before the option was there.
        definition = task.definition
        args, kwargs = msgspec.json.decode(definition.signature.mask(args, kwargs, definition.sensitive))
    return tuple(args), kwargs


def _decode_result(function: str, raw: bytes) -> Any:
    task = registry.find(function)
    return msgspec.json.decode(raw) if task is None else task.definition.signature.decode_result(raw)
