"""Which jobs go into one call of the submit script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upnext_django.broker.scripts import submit
from upnext_django.core.job import NewJob

__all__ = ["batches"]

#: 200 jobs of 1 MiB in one call would take Redis longer than the caller waits.
_BATCH_BYTES = 4 * 1024 * 1024


def batches(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Group by queue (stable), then cut into batches that one call stores well within its time."""
    by_queue: dict[str, list[NewJob]] = {}
    for job in jobs:
        by_queue.setdefault(job.queue, []).append(job)
    for same in by_queue.values():
        batch: list[NewJob] = []
        size = 0
        for job in same:
            if len(batch) == submit.BATCH or (batch and size + len(job.envelope) > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(job)
            size += len(job.envelope)
        yield batch
