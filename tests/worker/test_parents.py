"""Jobs that wait for jobs, with as little room as there is."""

from __future__ import annotations

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.waiting import wait_until
from upnext_django.exceptions import TaskExecutionError

START_S = 15.0


def test_a_deep_tree_completes_in_one_slot(fleet: Fleet):
    fleet.start(concurrency=1)

    assert jobs.chain.options(wait_timeout=START_S).wait_sync(5).value == 5


def test_a_wide_tree_completes_in_one_slot(fleet: Fleet):
    fleet.start(concurrency=1)

    assert jobs.spread.options(wait_timeout=START_S).wait_sync(50).value == sum(range(50))
    assert fleet.ledger.count("leaf") == 50


def test_sync_parents_complete_in_one_slot(fleet: Fleet):
    fleet.start(concurrency=1)

    assert jobs.chain_in_thread.options(wait_timeout=START_S).wait_sync(5).value == 5


def test_many_parents_at_once_complete_in_one_slot(fleet: Fleet):
    fleet.start(concurrency=1)

    futures = [jobs.chain.submit(2) for _ in range(20)] + [jobs.chain_in_thread.submit(2) for _ in range(20)]

    assert {future.value_sync(timeout=START_S) for future in futures} == {2}


def test_one_sync_parent_too_many_fails_and_says_what_to_do(fleet: Fleet):
    fleet.configure(max_waiting_threads=2)
    fleet.start(concurrency=3)
    futures = [jobs.wait_for_far_leaf.submit("end") for _ in range(2)]
    wait_until(lambda: fleet.ledger.count("parent") == 2, "two parents run", START_S)
    wait_until(lambda: _waiting(fleet) == 2, "two parents wait", START_S)

    with pytest.raises(TaskExecutionError, match=r"MAX_WAITING_THREADS.*Make the waiting task async"):
        jobs.wait_for_far_leaf.options(wait_timeout=START_S).wait_sync("end")

    fleet.ledger.open("end")
    fleet.start(workers=["other"], concurrency=5)
    assert [future.value_sync(timeout=START_S) for future in futures] == [1, 1]


def _waiting(fleet: Fleet) -> int:
    return sum(about["suspended"] for about in fleet.broker.workers().values())


def test_a_retried_parent_makes_new_children(fleet: Fleet):
    fleet.start()

    result = jobs.spread_twice.options(wait_timeout=START_S).wait_sync(3)

    assert (result.value, result.attempts) == (3, 2)
    assert fleet.ledger.count("leaf") == 6


@pytest.mark.parametrize("task", [jobs.spread_far, jobs.spread_far_in_thread], ids=["async", "sync"])
def test_a_parent_whose_worker_is_stopped_adopts_its_children(fleet: Fleet, task):
    first = fleet.start(shutdown_timeout_s=0.1)
    fleet.start(workers=["other"], concurrency=5)
    parent = task.submit(5, "end")
    wait_until(lambda: len(fleet.ledger.jobs("leaf")) == 5, "the children run", START_S)

    assert first.stop() == 0
    fleet.start()
    fleet.ledger.wait_for("parent", 2, START_S)
    fleet.ledger.open("end")

    assert parent.value_sync(timeout=START_S) == sum(range(5))
    assert len(fleet.ledger.jobs("leaf")) == 5
    assert fleet.job(parent.job_id).handbacks == 1
