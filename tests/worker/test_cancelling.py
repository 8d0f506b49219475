"""Cancelling a job, wherever it is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.timing import fastest_of_three
from tests.waiting import wait_until
from upnext_django.declare.future import Future
from upnext_django.exceptions import TaskExecutionError

START_S = 10.0


def assert_cancelled(future: Future[Any]) -> None:
    with pytest.raises(TaskExecutionError) as raised:
        future.result_sync(timeout=START_S)
    assert raised.value.status == "cancelled"


def test_a_waiting_job_never_runs(fleet: Fleet):
    future = jobs.say.submit("ran")

    assert future.cancel_sync()

    fleet.start()
    assert_cancelled(future)
    assert jobs.add.options(wait_timeout=START_S).wait_sync(1, 2).value == 3
    assert fleet.ledger.words() == []


def test_a_delayed_job_never_runs(fleet: Fleet):
    future = jobs.say.options(delay=0.5).submit("ran")
    later = jobs.say.options(delay=0.6).submit("later")

    assert future.cancel_sync()

    fleet.start()
    assert_cancelled(future)
    later.result_sync(timeout=START_S)
    assert fleet.ledger.words() == ["later"]


def test_a_job_that_waits_for_its_retry_never_runs_again(fleet: Fleet):
    fleet.start()
    future = jobs.fail_for_long.submit()
    wait_until(lambda: future.status_sync() == "retrying", "the job waits for its retry", START_S)

    assert future.cancel_sync()

    assert_cancelled(future)
    assert fleet.ledger.words() == ["failed"]


def test_a_running_async_job_is_stopped_within_2_s(fleet: Fleet):
    fleet.start()

    def seconds_until_cancelled() -> float:
        before = fleet.ledger.words()
        future = jobs.hold.submit("never")
        wait_until(lambda: fleet.ledger.words() == [*before, "begun"], "the job runs", START_S)
        asked = time.monotonic()
        assert future.cancel_sync()
        assert_cancelled(future)
        took_s = time.monotonic() - asked
        assert fleet.ledger.words() == [*before, "begun", "stopped"]
        return took_s

    assert fastest_of_three(seconds_until_cancelled, 2.0) < 2.0


def test_a_running_sync_job_sees_that_it_is_cancelled(fleet: Fleet):
    fleet.start()
    future = jobs.until_cancelled.submit()
    wait_until(lambda: fleet.ledger.words() == ["begun"], "the job runs", START_S)

    assert future.cancel_sync()

    assert_cancelled(future)
    assert fleet.ledger.words() == ["begun", "noticed"]


@pytest.mark.parametrize("task", [jobs.hold, jobs.hold_in_thread], ids=["async", "sync"])
def test_a_job_that_was_claimed_ahead_never_runs(fleet: Fleet, task):
    fleet.start(concurrency=1, workers=["ahead"])
    running = task.options(queue="ahead").submit("end")
    wait_until(lambda: fleet.ledger.words() == ["begun"], "the first job runs", START_S)
    future = jobs.say.options(queue="ahead").submit("ran")
    wait_until(lambda: future.job_id in fleet.claimed("ahead"), "the job is claimed ahead", START_S)

    assert future.cancel_sync()

    assert_cancelled(future)
    fleet.ledger.open("end")
    running.result_sync(timeout=START_S)
    assert fleet.ledger.words() == ["begun", "ended"]


def test_a_tree_is_cancelled_to_its_leaves(fleet: Fleet):
    fleet.start(concurrency=2)
    future = jobs.tree.submit(2, "never")
    wait_until(lambda: fleet.ledger.count("tree") >= 5, "the tree has grown", START_S)

    assert future.cancel_sync(tree=True)

    assert_cancelled(future)
    ids = sorted({move.job_id for move in fleet.moves("quick")})
    fleet.wait_for_all("quick", ids, START_S)
    assert {job.status for job in fleet.jobs(ids).values()} == {"cancelled"}


def test_a_job_that_has_ended_is_not_cancelled(fleet: Fleet):
    fleet.start()
    future = jobs.add.submit(1, 2)
    assert future.value_sync(timeout=START_S) == 3

    assert not future.cancel_sync()
    assert future.status_sync() == "complete"
