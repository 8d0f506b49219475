"""How long the history lives: old rows are deleted in chunks, each in a short transaction.

A job goes when it has ended and its end is older than ``UPNEXT["RETENTION"]`` says for its status, and takes
its attempts, log lines, dead letter and artifacts along. A live job never goes. A parent stays as long as
one of its children does, so what is left of a tree always hangs together; children go first. Open dead
letters go with the rows of failed jobs: Redis forgets them after the same time. Rows of workers that left
go after the time of complete jobs, those of bulk actions after that of failed ones; those of functions
stay, one for each, since jobs name them. Counts by the minute go after three hours, of which the last is
shown, those by the hour when the setting says; what was counted in all stays, since counters may not fall.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from upnext_django import conf
from upnext_django.conf import Retention
from upnext_django.core.ids import first_id_at
from upnext_django.core.lifecycle import JobStatus
from upnext_django.models import BulkAction, DeadLetterRecord, JobRecord, StatRecord, WorkerRecord
from upnext_django.operations import artifact_files
from upnext_django.operations.deletion import CHUNK, chunk_size, delete_rows, without_children

__all__ = ["CHUNK", "MINUTES_KEPT", "Pruned", "expired", "overdue", "prune"]

#: How long counts by the minute are kept. The last hour is drawn from them; the rest is for a clock that
#: is wrong, and for who looks at the rows himself.
MINUTES_KEPT = timedelta(hours=3)
_FEWEST = 10
_LONG_S = 0.1
_SHORT_S = 0.03
#: Children go before their parents; most that waited for children failed with them, if any did.
_ORDER = (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.COMPLETE)


@dataclass(slots=True)
class Pruned:
    """What was deleted: jobs by status, dead letters without a job, workers, bulk actions, stray files.

    ``statistics`` are counts of minutes and hours. ``is_whole`` is False if it ended before all that is old
    enough was gone.
    """

    jobs: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    workers: int = 0
    bulk_actions: int = 0
    statistics: int = 0
    files: int = 0
    is_whole: bool = True

    @property
    def total(self) -> int:
        return (
            sum(self.jobs.values())
            + self.dead_letters
            + self.workers
            + self.bulk_actions
            + self.statistics
            + self.files
        )


def prune(
    retention: Retention | None = None,
    *,
    chunk: int = CHUNK,
    budget_s: float | None = None,
    stopping: threading.Event | None = None,
    all_files: bool = False,
) -> Pruned:
    """Delete what is older than ``retention``, None is ``UPNEXT["RETENTION"]``.

    It pauses after each chunk for as long as that took, so that others get at the database, and takes fewer
    jobs at once where a chunk takes longer than 100 ms. It ends early after ``budget_s`` seconds or when
    ``stopping`` is set; calling it again goes on. Several may run at once: each deletes what it finds.
    ``all_files`` looks through every folder of artifacts for files that no row leads to; without it, through
    those of a day ago and those past the retention.
    """
    run = _Run(retention or conf.get().retention, chunk, budget_s, stopping or threading.Event())
    for status in _ORDER:
        run.jobs(status)
    run.dead_letters()
    run.workers()
    run.bulk_actions()
    run.statistics()
    run.files(everywhere=all_files)
    return run.done


def overdue(retention: Retention | None = None) -> dict[str, int]:
    """Return how many jobs of each status are old enough to go; parents of younger ones stay all the same."""
    kept = retention or conf.get().retention
    now = timezone.now()
    return {str(status): expired(status, _before(now, kept, status)).count() for status in _ORDER}


def expired(status: JobStatus, before: datetime) -> QuerySet[JobRecord]:
    """Return the jobs of a status that ended before that moment, the youngest first.

    An id has the time of its submit, or one before it, so the index on status and id finds them.
    """
    first = first_id_at(round(before.timestamp() * 1000))
    return (
        JobRecord.objects.using(conf.get().database)
        .filter(Q(completed_at__lt=before) | Q(completed_at=None), status=str(status), id__lt=first)
        .order_by("-id")
    )


class _Run:
    """One pass; ``done`` counts as it goes."""

    def __init__(
        self, retention: Retention, chunk: int, budget_s: float | None, stopping: threading.Event
    ) -> None:
        self.done = Pruned()
        self._retention = retention
        self._using = conf.get().database
        self._most = self._size = chunk_size(self._using, chunk)
        self._until_s = None if budget_s is None else time.monotonic() + budget_s
        self._stopping = stopping
        self._now = timezone.now()

    def jobs(self, status: JobStatus) -> None:
        """Delete the jobs of a status, from the youngest to the oldest: no parent before its children."""
        old = expired(status, _before(self._now, self._retention, status))
        last: str | None = None
        while not self._is_over():
            rows = old if last is None else old.filter(id__lt=last)
            ids = list(rows.values_list("id", flat=True)[: self._size])
            if not ids:
                return
            last = ids[-1]
            going = without_children(ids, using=self._using)
            if going:
                began_s = time.monotonic()
                count = len(delete_rows(going, using=self._using))
                self.done.jobs[str(status)] = self.done.jobs.get(str(status), 0) + count
                self._rest(time.monotonic() - began_s)

    def dead_letters(self) -> None:
        """Delete old dead letters whose job has no row (any more)."""
        before = _before(self._now, self._retention, JobStatus.FAILED)
        letters = DeadLetterRecord.objects.using(self._using)
        jobs = JobRecord.objects.using(self._using).filter(pk=OuterRef("job_id"))
        alone = letters.filter(~Exists(jobs), failed_at__lt=before).order_by("failed_at")
        while not self._is_over():
            ids = list(alone.values_list("job_id", flat=True)[: self._size])
            if not ids:
                return
            began_s = time.monotonic()
            letters.filter(pk__in=ids).delete()
            self.done.dead_letters += len(ids)
            self._rest(time.monotonic() - began_s)

    def workers(self) -> None:
        """Delete the rows of workers that left long ago."""
        before = _before(self._now, self._retention, JobStatus.COMPLETE)
        if not self._is_over():
            left = WorkerRecord.objects.using(self._using).filter(left_at__lt=before)
            self.done.workers = left.delete()[0]

    def bulk_actions(self) -> None:
        """Delete the rows of bulk actions that ended long ago; the audit trail has them."""
        before = _before(self._now, self._retention, JobStatus.FAILED)
        if not self._is_over():
            ended = BulkAction.objects.using(self._using).filter(ended_at__lt=before)
            self.done.bulk_actions = ended.delete()[0]

    def statistics(self) -> None:
        """Delete counts by the minute and by the hour that no chart shows any more."""
        rows = StatRecord.objects.using(self._using)
        for period_s, kept in (
            (60, MINUTES_KEPT),
            (3_600, timedelta(seconds=self._retention.statistics_s)),
        ):
            # The unique index begins with these two, so that none but the old ones are read.
            old = rows.filter(period=period_s, start__lt=self._now - kept).order_by("start")
            while not self._is_over():
                ids = list(old.values_list("pk", flat=True)[: self._size])
                if not ids:
                    break
                began_s = time.monotonic()
                self.done.statistics += rows.filter(pk__in=ids).delete()[0]
                self._rest(time.monotonic() - began_s)

    def files(self, *, everywhere: bool) -> None:
        """Delete the files of artifacts that no row leads to."""
        kept_s = max(self._retention.complete_s, self._retention.failed_s, self._retention.cancelled_s)
        self.done.files = artifact_files.delete_orphans(
            using=self._using,
            now=self._now,
            kept=timedelta(seconds=kept_s),
            everywhere=everywhere,
            is_over=self._is_over,
        )

    def _rest(self, took_s: float) -> None:
        if took_s > _LONG_S:
            self._size = max(min(_FEWEST, self._most), self._size // 2)
        elif took_s < _SHORT_S:
            self._size = min(self._most, self._size * 2)
        self._stopping.wait(min(took_s, 1.0))

    def _is_over(self) -> bool:
        if self._stopping.is_set() or (self._until_s is not None and time.monotonic() > self._until_s):
            self.done.is_whole = False
        return not self.done.is_whole


def _before(now: datetime, retention: Retention, status: JobStatus) -> datetime:
    ages = {
        JobStatus.COMPLETE: retention.complete_s,
        JobStatus.FAILED: retention.failed_s,
        JobStatus.CANCELLED: retention.cancelled_s,
    }
    return now - timedelta(seconds=ages[status])
