"""Worker processes killed with -9: every job reaches exactly one final state, and none is lost."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.waiting import wait_until
from upnext_django.core.lifecycle import Move
from upnext_django.declare.bulk import submit_many

START_S = 10.0
SETTLE_S = 5.0


def assert_nothing_lost_or_repeated(fleet: Fleet, ids: list[str]) -> None:
    """Every job ended once, complete, and ran at most as often as its budget explains."""
    ran = Counter(line.job_id for line in fleet.ledger.lines("work"))
    ended = fleet.endings("quick")
    for job_id, job in fleet.jobs(ids).items():
        assert job.status == "complete", job
        assert ended[job_id] == 1
        assert 1 <= ran[job_id] <= job.attempts + job.crashes + job.handbacks, job


@pytest.mark.parametrize("task", [jobs.work, jobs.work_in_thread], ids=["async", "sync"])
def test_ten_kills_at_random_moments_lose_nothing(fleet: Fleet, task):
    random = Random(20260731)
    number = 2000 if task is jobs.work else 600
    ids = [future.job_id for future in submit_many(task, [(5,) for _ in range(number)])]
    worker = fleet.start(concurrency=20)
    for _ in range(10):
        seen = fleet.ledger.count("work")
        more = min(seen + random.randrange(1, number // 20), number)
        fleet.ledger.wait_for("work", more)
        worker.kill()
        worker = fleet.start(concurrency=20)

    fleet.wait_for_all("quick", ids, 60.0)

    assert_nothing_lost_or_repeated(fleet, ids)
    assert fleet.dead_letters("quick") == []


@pytest.mark.slow
def test_jobs_of_a_killed_worker_are_taken_over_within_the_default_lease(fleet: Fleet):
    fleet.configure(lease_s=15.0)
    ids = [future.job_id for future in submit_many(jobs.work, [(5,) for _ in range(500)])]
    first = fleet.start(concurrency=20)
    wait_until(lambda: fleet.ledger.count("work") >= 100, "some jobs have run", START_S)
    first.kill()
    fleet.start(concurrency=20)

    fleet.wait_for_all("quick", ids, 15.0 + SETTLE_S)

    assert_nothing_lost_or_repeated(fleet, ids)


def test_a_job_that_kills_its_worker_dies_alone(fleet: Fleet):
    """Its neighbours only died with it: they complete. It gets MAX_CRASHES further deliveries, no more."""
    ids = [future.job_id for future in submit_many(jobs.work, [(20,) for _ in range(250)])]
    pill = jobs.die.submit()
    ids += [future.job_id for future in submit_many(jobs.work, [(20,) for _ in range(250)])]
    worker = fleet.start(concurrency=100)
    everything = [*ids, pill.job_id]

    def supervise() -> bool:
        nonlocal worker
        if worker.has_ended():
            worker = fleet.start(concurrency=100)
        return not fleet.unfinished("quick", everything)

    wait_until(supervise, "every job has ended", 120.0)

    assert fleet.dead_letters("quick") == [pill.job_id]
    assert_nothing_lost_or_repeated(fleet, ids)
    dead = fleet.job(pill.job_id)
    assert (dead.status, dead.crashes, fleet.ledger.count("die")) == ("failed", 4, 4)
    assert dead.ending is not None
    assert dead.ending.error_type == "WorkerLost"


@pytest.mark.parametrize("task", [jobs.spread_far, jobs.spread_far_in_thread], ids=["async", "sync"])
def test_a_parent_whose_worker_is_killed_adopts_its_children(fleet: Fleet, task):
    fleet.configure(lease_s=5.0)
    first = fleet.start()
    fleet.start(workers=["other"], concurrency=5)
    parent = task.submit(5, "end")
    wait_until(lambda: len(fleet.ledger.jobs("leaf")) == 5, "the children run", START_S)

    first.kill()
    fleet.start()
    fleet.ledger.wait_for("parent", 2, fleet.lease_s + START_S)
    fleet.ledger.open("end")

    assert parent.value_sync(timeout=START_S) == sum(range(5))
    assert len(fleet.ledger.jobs("leaf")) == 5
    job = fleet.job(parent.job_id)
    assert (job.attempts, job.crashes) == (1, 1)


def test_a_parent_adopts_children_that_ended_while_it_was_away(fleet: Fleet):
    first = fleet.start()
    fleet.start(workers=["other"], concurrency=5)
    parent = jobs.spread_far.submit(5, "end")
    wait_until(lambda: len(fleet.ledger.jobs("leaf")) == 5, "the children run", START_S)

    first.kill()
    fleet.ledger.open("end")
    children = sorted(fleet.ledger.jobs("leaf"))
    fleet.wait_for_all("other", children, START_S)
    fleet.start()

    assert parent.value_sync(timeout=fleet.lease_s + START_S) == sum(range(5))
    assert fleet.ledger.jobs("leaf") == set(children)


def test_a_job_that_was_cancelled_on_a_killed_worker_never_runs_again(fleet: Fleet):
    first = fleet.start()
    future = jobs.hold_in_thread.submit("never")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)
    assert future.cancel_sync()

    first.kill()
    fleet.start()

    wait_until(lambda: future.status_sync() == "cancelled", "the job is cancelled", fleet.lease_s + START_S)
    assert fleet.ledger.count("begun") == 1


def test_many_jobs_that_died_twice_run_one_after_the_other_without_a_pause(fleet: Fleet):
    """One that ended while a claim was on its way was forgotten with its answer: 5 s of sleep for each."""
    ids = [future.job_id for future in submit_many(jobs.hold, [("end",) for _ in range(100)])]
    for delivery in (1, 2):
        worker = fleet.start(concurrency=100)
        fleet.ledger.wait_for("begun", 100 * delivery, fleet.lease_s + START_S)
        worker.kill()
    fleet.ledger.open("end")
    fleet.start(concurrency=100)

    fleet.wait_for_all("quick", ids, 60.0)

    settled = [move.at_ms for move in fleet.moves("quick") if move.move is Move.SETTLED]
    assert settled[-1] - settled[0] < 10_000
    assert {(job.status, job.crashes) for job in fleet.jobs(ids).values()} == {("complete", 2)}
