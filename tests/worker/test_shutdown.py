"""SIGTERM: no more work is taken, what runs may end, the rest is handed back; the exit code is 0."""

from __future__ import annotations

import signal
import time

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.waiting import wait_until
from upnext_django.declare.bulk import submit_many

START_S = 10.0


def test_short_jobs_end_and_long_ones_run_again_elsewhere_with_the_same_attempt(fleet: Fleet):
    first = fleet.start(shutdown_timeout_s=4.0)
    short = [jobs.nap.submit(0.7), jobs.work_in_thread.submit(700)]
    long = [jobs.hold.submit("end"), jobs.hold_in_thread.submit("end")]
    waiting = jobs.add.submit(1, 2)
    fleet.ledger.wait_for("begun", 3, START_S)
    fleet.ledger.wait_for("work", 1, START_S)

    assert first.stop() == 0

    assert [fleet.job(future.job_id).status for future in short] == ["complete", "complete"]
    second = fleet.start()
    fleet.ledger.open("end")
    assert [future.value_sync(timeout=START_S) for future in long] == [second.pid, second.pid]
    assert waiting.value_sync(timeout=START_S) == 3
    for future in long:
        begun = [line for line in fleet.ledger.lines("begun") if line.job_id == future.job_id]
        assert [(line.attempt, line.pid) for line in begun] == [(1, first.pid), (1, second.pid)]
        job = fleet.job(future.job_id)
        assert (job.attempts, job.handbacks, job.crashes) == (1, 1, 0)


def test_a_worker_without_work_ends_at_once(fleet: Fleet):
    worker = fleet.start_ready()

    assert worker.stop(timeout=5) == 0
    assert fleet.broker.workers() == {}


def test_a_signal_while_starting_ends_it_as_well(fleet: Fleet):
    worker = fleet.start()
    future = jobs.add.submit(1, 2)
    assert future.value_sync(timeout=START_S) == 3

    worker.send(signal.SIGINT)

    assert worker.exit_code() == 0


def test_a_second_signal_within_a_second_changes_nothing(fleet: Fleet):
    """The supervisor signals the process and its group: the job must not be cut short by that."""
    worker = fleet.start()
    future = jobs.nap.submit(1.5)
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    # Two of one number would merge while it stands still; both of these are heard at once.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        worker.send(number)

    assert worker.exit_code() == 0
    assert fleet.ledger.words() == ["begun", "ended"]
    assert fleet.job(future.job_id).status == "complete"


def test_a_second_signal_later_hands_running_jobs_back_at_once(fleet: Fleet):
    worker = fleet.start()
    future = jobs.hold.submit("never")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)
    worker.send(signal.SIGTERM)
    wait_until(lambda: "stopping" in worker.log(), "the worker has heard it")
    first = time.monotonic()
    wait_until(lambda: time.monotonic() - first > 1.2, "a second is over")

    worker.send(signal.SIGTERM)

    assert worker.exit_code(5.0) == 0
    job = fleet.job(future.job_id)
    assert (job.status, job.attempts, job.handbacks) == ("queued", 0, 1)


def test_a_job_that_refuses_its_cancellation_does_not_keep_the_worker(fleet: Fleet):
    """asyncio ends a loop by waiting for its tasks: one that swallowed every cancellation kept the worker."""
    worker = fleet.start(shutdown_timeout_s=0.2)
    future = jobs.refuse_to_stop_for_ever.submit()
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    assert worker.stop(timeout=10) == 0

    job = fleet.job(future.job_id)
    assert (job.status, job.attempts, job.handbacks) == ("queued", 0, 1)


def test_jobs_claimed_ahead_are_handed_back(fleet: Fleet):
    worker = fleet.start(workers=["ahead"], concurrency=1, shutdown_timeout_s=0.2)
    running = jobs.hold.options(queue="ahead").submit("never")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the first job runs", START_S)
    # One fewer than it claims ahead: for the last place alone it does not make the trip.
    ahead = submit_many(jobs.say.options(queue="ahead"), [("ran",) for _ in range(4)])
    wait_until(
        lambda: {future.job_id for future in ahead} <= fleet.claimed("ahead"),
        "the others are claimed ahead",
        START_S,
    )

    assert worker.stop() == 0

    for future in (running, *ahead):
        job = fleet.job(future.job_id)
        assert (job.status, job.attempts) == ("queued", 0)
    assert fleet.ledger.count("ran") == 0


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_nothing_is_lost_when_a_busy_worker_is_stopped(fleet: Fleet, seconds: float):
    first = fleet.start(concurrency=20, shutdown_timeout_s=seconds)
    futures = [jobs.work.submit(5) for _ in range(1000)]
    wait_until(lambda: fleet.ledger.count("work") > 200, "many have run", START_S)

    assert first.stop() == 0

    fleet.start(concurrency=20)
    ids = [future.job_id for future in futures]
    fleet.wait_for_all("quick", ids, START_S)
    assert {job.status for job in fleet.jobs(ids).values()} == {"complete"}
    assert {job.crashes for job in fleet.jobs(ids).values()} == {0}
