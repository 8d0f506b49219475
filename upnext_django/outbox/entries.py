"""Rows of the outbox: written with the submit, deleted when Redis has the job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from django.db import connections

from upnext_django.core.job import NewJob
from upnext_django.core.stored_job import StoredJob, encode_stored
from upnext_django.models import OutboxEntry

__all__ = ["now_ms", "put_back", "remove", "write"]

# SQLite takes 999 parameters a statement in its oldest builds.
_IDS_A_STATEMENT: Final = 900


def now_ms() -> int:
    """Return this machine's time in ms since 1970."""
    return time.time_ns() // 1_000_000


def write(jobs: Sequence[NewJob], *, redis: str, using: str) -> list[StoredJob]:
    """Insert a row for each of ``jobs``, in one statement, into the transaction that ``using`` is in.

    An id that is there already stays as it is: an attempt that runs again after a crash submits its
    children with the ids they had.
    """
    submitted_ms = now_ms()
    stored = [encode_stored(job, submitted_ms=submitted_ms) for job in jobs]
    OutboxEntry.objects.using(using).bulk_create(
        [
            OutboxEntry(job_id=job.id, redis=redis, queue=job.queue, function=job.function, item=item)
            for job, item in stored
        ],
        ignore_conflicts=True,
    )
    return [job for job, _ in stored]


def remove(job_ids: Sequence[str], *, using: str) -> None:
    """Delete the rows of jobs that Redis has; those that are gone already are no error."""
    # Not by QuerySet.delete(): outside of a transaction that is three round trips.
    connection = connections[using]
    quote = connection.ops.quote_name
    delete = f"DELETE FROM {quote(OutboxEntry._meta.db_table)} WHERE {quote('job_id')} IN "
    with connection.cursor() as cursor:
        for start in range(0, len(job_ids), _IDS_A_STATEMENT):
            ids = job_ids[start : start + _IDS_A_STATEMENT]
            cursor.execute(f"{delete}({', '.join(['%s'] * len(ids))})", ids)


def put_back(job_ids: Sequence[str] | None = None, *, using: str) -> int:
    """Let the relay try rows again that it has set aside, None: all of them; returns how many."""
    rows = OutboxEntry.objects.using(using).filter(set_aside_at__isnull=False)
    if job_ids is not None:
        rows = rows.filter(job_id__in=job_ids)
    return rows.update(set_aside_at=None)
