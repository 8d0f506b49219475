"""One batch of the outbox to Redis: what is sent goes, what can never be sent is set aside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from upnext_django import conf
from upnext_django.core.job import NewJob
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.core.stored_job import Unreadable, decode_stored
from upnext_django.declare.ports import Broker
from upnext_django.exceptions import Backpressure, RedisUnavailable
from upnext_django.models import JobRecord, OutboxEntry
from upnext_django.outbox.entries import now_ms, remove

__all__ = ["Passed", "pass_on"]

logger = logging.getLogger("upnext.relay")


@dataclass(slots=True)
class Passed:
    """What became of a batch: ids that Redis has, ids set aside, and queue -> why it takes no more now."""

    gone: list[str] = field(default_factory=list)
    set_aside: dict[str, str] = field(default_factory=dict)
    full: dict[str, Backpressure] = field(default_factory=dict)


def pass_on(
    broker: Broker, batch: Sequence[OutboxEntry], *, using: str, go_on: Callable[[], bool] = lambda: True
) -> Passed:
    """Send the rows of ``batch``, each queue's in their order, and delete those that Redis has.

    Dying at any line repeats it, which changes nothing: Redis knows a job by its id while its key lives, and
    the history knows that it has ended before the key may expire. ``go_on`` is asked before each queue.
    Raises RedisUnavailable if Redis is away or refuses everything; what was sent before is gone then.
    """
    passed = Passed()
    by_queue = _readable(batch, passed)
    try:
        for queue, jobs in by_queue.items():
            if not go_on():
                break
            try:
                _send(broker, jobs, passed)
            except Backpressure as error:
                passed.full[queue] = error
    finally:
        remove(passed.gone, using=using)
        _set_aside(passed.set_aside, using=using)
    return passed


def _readable(batch: Sequence[OutboxEntry], passed: Passed) -> dict[str, list[NewJob]]:
    """Return the jobs of a batch by queue, without those that ran already."""
    known = _ended([entry.job_id for entry in batch])
    at_ms = now_ms()
    by_queue: dict[str, list[NewJob]] = {}
    for entry in batch:
        if entry.job_id in known:
            passed.gone.append(entry.job_id)
            continue
        try:
            stored = decode_stored(bytes(entry.item))
            if stored.id != entry.job_id:
                raise Unreadable(f"It is the job {stored.id}, and its row says {entry.job_id}.")
        except Unreadable as error:
            passed.set_aside[entry.job_id] = str(error)
        else:
            by_queue.setdefault(stored.queue, []).append(stored.at(at_ms))
    return by_queue


def _ended(job_ids: Sequence[str]) -> set[str]:
    """Return those that have ended: their key in Redis may have expired, and they would be made anew."""
    settings = conf.get()
    if not settings.history:
        return set()
    rows = JobRecord.objects.using(settings.database).filter(pk__in=job_ids, status__in=TERMINAL)
    return set(rows.values_list("pk", flat=True))


def _send(broker: Broker, jobs: Sequence[NewJob], passed: Passed) -> None:
    try:
        broker.submit_sync(jobs)
    except RedisUnavailable as error:
        if not error.refused:
            raise
        _send_one_by_one(broker, jobs, passed, error)
    else:
        passed.gone += [job.id for job in jobs]


def _send_one_by_one(broker: Broker, jobs: Sequence[NewJob], passed: Passed, error: RedisUnavailable) -> None:
    """Find the jobs that Redis refuses while it takes others. If it takes none, it is not the jobs' fault."""
    refused: dict[str, str] = {}
    taken: list[str] = []
    try:
        for job in jobs:
            try:
                broker.submit_sync([job])
            except RedisUnavailable as one:
                if not one.refused:
                    raise
                refused[job.id] = str(one)
            else:
                taken.append(job.id)
    finally:
        passed.gone += taken
    if not taken:
        raise error
    passed.set_aside.update(refused)


def _set_aside(errors: dict[str, str], *, using: str) -> None:
    for job_id, error in errors.items():
        rows = OutboxEntry.objects.using(using).filter(job_id=job_id)
        rows.update(set_aside_at=timezone.now(), error=error)
        logger.error(
            "Job %s cannot be sent and is set aside in the outbox of database %r: %s",
            job_id,
            using,
            error,
            extra={"job_id": job_id},
        )
