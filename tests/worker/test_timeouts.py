"""Every attempt ends within 5 s of its deadline, whatever its code does."""

from __future__ import annotations

import time

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.timing import fastest_of_three
from tests.waiting import wait_until
from upnext_django.exceptions import TaskTimeoutError

ALLOWED_S = 5.0
START_S = 5.0  # of a Python process on a busy machine


def seconds_until_timeout(fleet: Fleet, task) -> float:
    """Submit and return how long it ran before it ended with a timeout, by Redis's clock."""
    future = task.submit()

    with pytest.raises(TaskTimeoutError, match=r"0\.3 seconds"):
        future.result_sync(timeout=START_S + ALLOWED_S + 5)

    job = fleet.job(future.job_id)
    assert job.started_ms is not None
    assert job.completed_ms is not None
    return (job.completed_ms - job.started_ms) / 1000


def test_an_async_task_is_cancelled_at_its_deadline(fleet: Fleet):
    fleet.start()

    ran_s = fastest_of_three(lambda: seconds_until_timeout(fleet, jobs.sleep_too_long), 1.5)

    assert 0.3 <= ran_s < 1.5
    assert set(fleet.ledger.words()) == {"stopped"}


def test_an_async_task_that_swallows_its_cancellation_ends_and_gives_its_slot_back(fleet: Fleet):
    worker = fleet.start(concurrency=1)

    ran_s = seconds_until_timeout(fleet, jobs.refuse_to_stop)

    assert ran_s < 0.3 + ALLOWED_S
    assert jobs.add.options(wait_timeout=5).wait_sync(1, 2).value == 3
    assert worker.stop() == 0


def test_a_sync_task_in_python_code_is_interrupted_and_its_thread_works_on(fleet: Fleet):
    fleet.start(concurrency=1)

    ran_s = fastest_of_three(lambda: seconds_until_timeout(fleet, jobs.spin), 1.5)

    assert 0.3 <= ran_s < 1.5
    assert fleet.ledger.words() == ["begun", "stopped"] * fleet.ledger.count("begun")
    assert jobs.add_in_thread.options(wait_timeout=5).wait_sync(1, 2).value == 3


def test_a_thread_stuck_in_a_c_call_is_given_up_and_replaced(fleet: Fleet):
    worker = fleet.start(concurrency=1)

    ran_s = seconds_until_timeout(fleet, jobs.stick)

    assert ran_s < 0.3 + ALLOWED_S
    assert jobs.add_in_thread.options(wait_timeout=5).wait_sync(1, 2).value == 3
    assert worker.stop() == 0


def test_more_stuck_threads_than_allowed_end_the_worker_with_75(fleet: Fleet):
    fleet.configure(max_stuck_threads=1)
    worker = fleet.start()

    futures = [jobs.stick.submit() for _ in range(2)]

    assert worker.exit_code(START_S + ALLOWED_S + 5) == 75
    assert [fleet.job(future.job_id).status for future in futures] == ["failed", "failed"]


def test_a_job_that_blocks_the_loop_ends_and_its_neighbours_keep_their_leases(fleet: Fleet):
    """The loop hangs for three leases; the heartbeat's thread renews meanwhile, and another worker looks."""
    fleet.configure(lease_s=5.0)
    fleet.start_ready()
    neighbour = jobs.hold.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the neighbour runs")
    fleet.start_ready(workers=["other"])

    blocker = jobs.block_the_loop.submit(3 * fleet.lease_s)
    began = time.monotonic()
    with pytest.raises(TaskTimeoutError, match=r"0\.5 seconds"):
        blocker.result_sync(timeout=20)
    ran_s = time.monotonic() - began
    fleet.ledger.open("end")
    neighbour.result_sync(timeout=3 * fleet.lease_s + 20)

    assert ran_s < 0.5 + ALLOWED_S
    assert fleet.ledger.count("begun") == 1
    assert fleet.job(neighbour.job_id).crashes == 0


def test_a_sync_parent_that_waits_too_long_ends_and_gives_its_thread_back(fleet: Fleet):
    worker = fleet.start(concurrency=1)

    with pytest.raises(TaskTimeoutError, match=r"0\.3 seconds"):
        jobs.wait_for_far_leaf.options(timeout=0.3, wait_timeout=START_S + ALLOWED_S).wait_sync("never")

    assert jobs.chain_in_thread.options(wait_timeout=START_S).wait_sync(2).value == 2
    assert worker.stop() == 0


def test_a_timeout_is_retried_like_a_failure(fleet: Fleet):
    fleet.start()

    assert jobs.too_slow_at_first.options(wait_timeout=15).wait_sync().value == 2
