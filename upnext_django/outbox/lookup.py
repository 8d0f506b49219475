"""The outbox as submitters see it: their jobs that are not in Redis yet. The Outbox port of ``declare``."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

import msgspec
from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from upnext_django import conf
from upnext_django.core.job import NewJob
from upnext_django.core.stored_job import Unreadable, decode_stored
from upnext_django.declare.job import Job, job_from_new
from upnext_django.declare.ports import Broker
from upnext_django.models import OutboxEntry
from upnext_django.outbox.databases import with_outbox
from upnext_django.outbox.entries import now_ms, remove

__all__ = ["OutboxLookup", "find"]

logger = logging.getLogger("upnext.outbox")

#: How long a job that is cancelled on its way is held back: longer than its two calls can take.
_HELD_MS: Final = 60_000


class OutboxLookup:
    """Looks for single jobs in every database that has an outbox."""

    def job(self, job_id: str) -> Job | None:
        """Return the job of a row, None if there is none: "queued", or "scheduled" if it runs later.

        ``error`` says why the relay set it aside, if it did.
        """
        entry = find(job_id)
        return None if entry is None else _job(entry)

    async def ajob(self, job_id: str) -> Job | None:
        """See job()."""
        return await sync_to_async(self.job)(job_id)

    def cancel(self, broker: Broker, job_id: str) -> bool | None:
        """Cancel the job of a row; None if there is no row, False if it was too late.

        Redis decides between this and the relay, which may be sending the row at this moment: the job
        is submitted to run a minute later, unless it is there already, and cancelled at once. Either
        way it is there then, so the row goes.
        """
        entry = find(job_id)
        if entry is None:
            return None
        try:
            job = decode_stored(bytes(entry.item)).at(now_ms())
        except Unreadable:
            # It can never be sent, so nothing but this row has to be taken back.
            remove([job_id], using=_alias(entry))
            return True
        broker.submit_sync([_held(job)])
        hit = broker.cancel_sync(job_id)
        remove([job_id], using=_alias(entry))
        return hit

    async def acancel(self, broker: Broker, job_id: str) -> bool | None:
        """See cancel()."""
        return await sync_to_async(self.cancel)(broker, job_id)


def find(job_id: str) -> OutboxEntry | None:
    """Return the row of a job from whichever database has it, None if none does."""
    if not conf.get().outbox:
        return None
    for alias in with_outbox():
        rows: QuerySet[OutboxEntry] = OutboxEntry.objects.using(alias)
        entry = rows.filter(job_id=job_id).first()
        if entry is not None:
            return entry
    return None


def _job(entry: OutboxEntry) -> Job:
    submitted_ms = round(entry.created_at.timestamp() * 1000)
    try:
        stored = decode_stored(bytes(entry.item))
    except Unreadable as error:
        nothing = NewJob(
            id=entry.job_id, queue=entry.queue, function=entry.function, envelope=_nothing(entry)
        )
        return replace(job_from_new(nothing, submitted_ms), error=entry.error or str(error))
    return replace(job_from_new(stored.at(stored.submitted_ms), stored.submitted_ms), error=entry.error)


def _nothing(entry: OutboxEntry) -> bytes:
    return msgspec.json.encode({"fn": entry.function})


def _held(job: NewJob) -> NewJob:
    return msgspec.structs.replace(job, delay_ms=_HELD_MS, at_ms=None)


def _alias(entry: OutboxEntry) -> str:
    alias = entry._state.db
    assert alias is not None
    return alias
