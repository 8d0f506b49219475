"""Sync tasks in processes of their own: as many cores as they like, and an end that nothing can refuse."""

from __future__ import annotations

import pytest

from tests.fundamentals import processes
from upnext_django import TaskTimeoutError

TASKS = "tests.fundamentals.processes"

pytestmark = pytest.mark.usefixtures("worker")


def test_a_sync_task_runs_in_a_child_of_the_worker():
    found = processes.process.wait_sync().value

    assert found["process"] != found["parent"]
    assert found["parent"] == processes.in_the_worker.submit_sync().value_sync()


def test_a_task_that_never_looks_up_is_ended_at_its_timeout():
    with pytest.raises(TaskTimeoutError, match=r"0\.5 seconds"):
        processes.too_long.wait_sync()


def test_a_process_that_dies_is_replaced_and_its_job_runs_again():
    result = processes.falls_at_first.wait_sync(7)

    assert result.value == "7, been here"
    assert result.attempts == 1


def test_a_parent_that_waits_makes_room_for_its_children():
    assert processes.sums.wait_sync([(10,), (20,), (30,)]).value == 4 + 8 + 10


def test_a_child_knows_its_parent():
    own, seen = processes.gathers.wait_sync().value

    assert own == seen
