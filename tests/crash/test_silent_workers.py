"""A worker that stands still for longer than its lease loses its jobs, and cannot change them any more."""

from __future__ import annotations

import signal

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.waiting import wait_until

START_S = 10.0


def test_a_job_that_was_lost_is_stopped_on_its_first_worker(fleet: Fleet):
    first = fleet.start()
    future = jobs.hold.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    first.send(signal.SIGSTOP)
    second = fleet.start()
    wait_until(lambda: fleet.ledger.count("begun") == 2, "another worker runs it", fleet.lease_s + START_S)
    first.send(signal.SIGCONT)
    wait_until(lambda: fleet.ledger.count("stopped") == 1, "the first worker has stopped it", START_S)
    fleet.ledger.open("end")

    assert future.value_sync(timeout=START_S) == second.pid
    assert [line.pid for line in fleet.ledger.lines("stopped")] == [first.pid]
    assert fleet.endings("quick")[future.job_id] == 1
    assert first.stop() == 0


def test_a_worker_that_claims_its_own_lost_job_again_runs_and_settles_it(fleet: Fleet):
    """The first attempt's end took the second's place in the worker's books: its ending was never told.

    So the job lost its lease once more, and ran a third time.
    """
    worker = fleet.start()
    future = jobs.hold_in_thread.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    worker.send(signal.SIGSTOP)
    fleet.start(workers=["other"])
    wait_until(lambda: future.status_sync() == "queued", "the job is taken back", fleet.lease_s + START_S)
    worker.send(signal.SIGCONT)
    wait_until(lambda: fleet.ledger.count("begun") == 2, "the job runs again", START_S)
    fleet.ledger.open("end")

    assert future.value_sync(timeout=START_S) == worker.pid
    job = fleet.job(future.job_id)
    assert (job.attempts, job.crashes) == (1, 1)
    fleet.ledger.wait_for("ended", 2)
    assert fleet.ledger.words() == ["begun", "begun", "ended", "ended"]


@pytest.mark.parametrize("task", [jobs.hold, jobs.hold_in_thread], ids=["async", "sync"])
def test_an_ending_that_comes_too_late_changes_nothing(fleet: Fleet, task):
    """The job is ready to end in the very moment when its first worker goes on."""
    first = fleet.start()
    future = task.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    first.send(signal.SIGSTOP)
    fleet.ledger.open("end")
    second = fleet.start()
    assert future.value_sync(timeout=fleet.lease_s + START_S) == second.pid
    told = fleet.job(future.job_id)
    first.send(signal.SIGCONT)

    assert first.stop() == 0
    assert fleet.job(future.job_id) == told
    assert fleet.endings("quick")[future.job_id] == 1


def test_two_workers_that_stand_still_together_lose_nothing(fleet: Fleet):
    """A paused machine: nobody could renew, so nobody takes anything from anybody for a whole lease."""
    workers = [fleet.start_ready(), fleet.start_ready()]
    futures = [jobs.hold.submit("end") for _ in range(4)]
    wait_until(lambda: fleet.ledger.count("begun") == 4, "the jobs run", START_S)

    for worker in workers:
        worker.send(signal.SIGSTOP)
    began_ms = fleet.now_ms()
    wait_until(lambda: fleet.now_ms() > began_ms + 2500 * fleet.lease_s, "two leases are over", START_S)
    for worker in workers:
        worker.send(signal.SIGCONT)
    woken_ms = fleet.now_ms()
    wait_until(lambda: fleet.now_ms() > woken_ms + 1500 * fleet.lease_s, "the grace is over", START_S)
    fleet.ledger.open("end")

    for future in futures:
        future.result_sync(timeout=START_S)
    assert fleet.ledger.count("begun") == 4
