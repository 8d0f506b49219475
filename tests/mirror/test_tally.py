"""The statistics: each end of an attempt is counted once, whatever is read again."""

from __future__ import annotations

from collections import Counter

from tests.mirror.lives import START_MS, move
from tests.mirror.streams import Streams
from tests.mirror.test_service import job_id, running
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.models import StatRecord


def life(number: int, status: JobStatus = JobStatus.COMPLETE, ran_ms: int = 30) -> list[JobMove]:
    name = job_id(number)
    claim = {"attempt": 1, "worker": "w"}
    ending = {"attempt": 1, "started": START_MS + 30 - ran_ms}
    return [
        move(1, Move.SUBMITTED, JobStatus.QUEUED, job_id=name, data={"fn": "m.f"}),
        move(2, Move.CLAIMED, JobStatus.ACTIVE, token=1, job_id=name, data=claim),
        move(3, Move.SETTLED, status, token=1, job_id=name, data=ending),
    ]


def counts(using: str, period: int = 60) -> Counter[tuple[str, int]]:
    """Return the jobs by outcome and bucket."""
    found: Counter[tuple[str, int]] = Counter()
    for row in StatRecord.objects.using(using).filter(period=period):
        found[row.outcome, row.bound_ms] += row.jobs
    return found


def mirror(streams: Streams, using: str) -> None:
    """Let a mirror of its own write what there is."""
    with running(streams, using) as service:
        assert service.drain(10)


def test_each_end_is_counted_by_minute_and_hour(history: str):
    streams = Streams()
    streams.tell(*life(1), *life(2, ran_ms=45), *life(3, JobStatus.FAILED, ran_ms=7_000))

    mirror(streams, history)

    expected = {("complete", 50): 2, ("failed", 10_000): 1}
    assert counts(history) == counts(history, period=3600) == counts(history, period=0) == expected
    ever = StatRecord.objects.using(history).filter(period=0)
    assert sum(ever.values_list("ran_ms", flat=True)) == 30 + 45 + 7_000


def test_an_end_is_counted_though_its_submit_was_in_an_earlier_batch(history: str):
    streams = Streams()
    first, *rest = life(1)
    streams.tell(first)
    mirror(streams, history)

    streams.tell(*rest)
    mirror(streams, history)

    assert counts(history) == {("complete", 50): 1}


def test_what_is_read_again_is_not_counted_again(history: str):
    """A mirror that dies between its commit and its acknowledgement leaves the entry to the next one."""
    streams = Streams()
    streams.tell(*life(1))
    unacknowledged = dict(streams.entries)
    mirror(streams, history)

    streams.entries.update(unacknowledged)
    streams.tell(*life(2))
    mirror(streams, history)

    assert counts(history) == {("complete", 50): 2}


def test_an_attempt_that_is_followed_by_another_is_counted_as_such(history: str):
    streams = Streams()
    streams.tell(*life(1, JobStatus.RETRYING))

    mirror(streams, history)

    assert counts(history) == {("retrying", 50): 1}


def test_a_job_that_never_ran_has_no_duration(history: str):
    streams = Streams()
    name = job_id(1)
    withdrawn = move(2, Move.CANCELLED, JobStatus.CANCELLED, job_id=name, data={"error": "cancelled"})
    streams.tell(life(1)[0], withdrawn)

    mirror(streams, history)

    assert counts(history) == {("cancelled", 0): 1}
