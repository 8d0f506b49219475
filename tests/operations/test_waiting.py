"""Reasons that a worker in good order never shows: made with the scripts themselves."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.utils import timezone

from tests.broker.lab import FUNCTION, QUEUE, Lab, new_job
from upnext_django.broker.scripts.register import Limit
from upnext_django.connection import get_broker
from upnext_django.core.capability import capability_of
from upnext_django.core.lifecycle import JobStatus
from upnext_django.models import JobRecord
from upnext_django.operations import live
from upnext_django.operations.waiting import Reason, why


@pytest.fixture
def alive(lab: Lab) -> Callable[..., None]:
    """Give what has a worker tell of itself, as its heartbeat does."""

    def tell(name: str = "w1", *, silent_ms: int = 0, slots: int = 4, used: int = 0) -> None:
        crew = {
            "name": "mail",
            "slots": slots,
            "used": used,
            "suspended": 0,
            "capabilities": {QUEUE: capability_of([FUNCTION])},
        }
        about = {
            "host": "h",
            "pid": 1,
            "queues": [QUEUE],
            "consumers": [crew],
            "seen_ms": get_broker().inspector.now_ms() - silent_ms,
        }
        lab.run(b"HSET", get_broker().names.workers, name, json.dumps(about))

    return tell


def test_nothing_stands_in_its_way(lab: Lab, alive: Callable[..., None]):
    alive()

    standing = why(lab.submit_one())

    assert standing.reason is Reason.STARTING
    assert standing.facts == {"free": 4}


def test_without_any_worker_it_says_how_to_start_one(lab: Lab):
    standing = why(lab.submit_one())

    assert standing.reason is Reason.NO_WORKER
    assert standing.text == "No worker is running."
    assert "upnext_worker" in standing.way_out


def test_a_worker_that_fell_silent_serves_nothing(lab: Lab, alive: Callable[..., None]):
    """Its capability stays known for a minute; that alone is no worker."""
    alive(silent_ms=20_000)

    assert why(lab.submit_one()).reason is Reason.NO_WORKER


def test_a_delayed_job_that_is_due_waits_for_a_worker_too(lab: Lab, alive: Callable[..., None]):
    job_id = lab.submit_one(delay_ms=1)

    without = why(job_id)
    alive()

    assert without.reason is Reason.NO_WORKER
    assert why(job_id).reason is Reason.STARTING


def test_its_worker_is_gone(lab: Lab, alive: Callable[..., None]):
    job_id = lab.submit_one()
    lab.claim(worker="w1")

    gone = why(job_id)
    alive("w1")

    assert gone.reason is Reason.SILENT_WORKER
    assert "w1 has said nothing" in gone.text
    assert "lease of 15 s" in gone.way_out
    assert why(job_id).reason is Reason.RUNNING


def test_a_suspect_waits_until_it_is_alone(lab: Lab, alive: Callable[..., None]):
    alive()
    first, second = lab.submit_one(), lab.submit_one()
    for _ in range(2):
        lab.claim(2)
        lab.lose(first)
        lab.lose(second)
    lab.claim(1)

    standings = {why(job_id).reason: job_id for job_id in (first, second)}

    assert set(standings) == {Reason.RUNNING, Reason.SUSPECT}
    waiting = why(standings[Reason.SUSPECT])
    assert waiting.facts == {"running": [standings[Reason.RUNNING]]}


def test_a_suspect_counts_in_the_cap(lab: Lab, alive: Callable[..., None]):
    alive()
    lab.register(announce=True, limit=Limit(cap=1))
    suspect = lab.submit_one()
    for _ in range(2):
        lab.claim()
        lab.lose(suspect)
    lab.claim()

    standing = why(lab.submit_one())

    assert standing.reason is Reason.CAP
    assert standing.facts["holders"] == [suspect]


def test_many_jobs_before_it_are_counted_to_a_bound(lab: Lab, alive: Callable[..., None]):
    alive(used=4)
    for _ in range(6):
        lab.submit(*(new_job() for _ in range(200)))

    standing = why(lab.submit_one())

    assert standing.reason is Reason.BEHIND
    assert standing.text.startswith("1000 or more jobs of")
    assert live.queue(QUEUE).waiting == 1201


def test_redis_has_lost_it(lab: Lab):
    job_id = new_job().id
    JobRecord.objects.create(id=job_id, queue=QUEUE, status="queued", created_at=timezone.now())

    standing = why(job_id)

    assert standing.reason is Reason.LOST
    assert "upnext_doctor" in standing.way_out


def test_what_only_the_history_knows_has_ended(lab: Lab):
    job_id = new_job().id
    JobRecord.objects.create(id=job_id, queue=QUEUE, status="complete", created_at=timezone.now())

    assert why(job_id).reason is Reason.ENDED


def test_each_reason_of_a_function_is_told_once_with_its_jobs(lab: Lab, alive: Callable[..., None]):
    alive()
    lab.register(announce=True, limit=Limit(cap=1))
    for digest in ("a", "a", "a", "b", "b"):
        lab.submit(new_job(digest=digest))
    lab.claim(2, slots=2)

    (function,) = live.functions()

    assert (function.waiting, function.running) == (3, 2)
    ((standing, count),) = function.standings
    assert (standing.reason, count) == (Reason.CAP, 3)


def test_a_queue_has_the_slots_of_who_is_alive_and_takes_from_it(lab: Lab, alive: Callable[..., None]):
    alive("w1", slots=4, used=3)
    alive("w2", slots=10, used=1)
    alive("gone", slots=50, silent_ms=3_600_000)

    assert (live.queue(QUEUE).used, live.queue(QUEUE).slots) == (4, 14)
    assert (live.queue("another").used, live.queue("another").slots) == (0, 0)


def test_a_queue_is_counted_by_lane_and_state(lab: Lab):
    for lane in (0, 1, 1, 2):
        lab.submit(new_job(lane=lane))
    lab.submit(new_job(delay_ms=60_000))
    retried = lab.claim(1).jobs[0]
    lab.settle(retried.id, retried.token, JobStatus.RETRYING, delay_ms=60_000)

    queue = live.queue(QUEUE)

    assert dict(queue.lanes) == {"0": 0, "1": 2, "2": 1}
    assert (queue.scheduled, queue.retrying, queue.running, queue.truncated) == (1, 1, 0, False)
    assert queue.oldest_s is not None
    assert queue.oldest_s >= 0
