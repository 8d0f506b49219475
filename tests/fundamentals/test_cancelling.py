"""A cancelled job never runs, or stops."""

from __future__ import annotations

import time
from typing import Any

import pytest

import upnext_django as upnext
from tests.fundamentals.results import cleans_up, looks_now_and_then, parent_of_one, runs_on, saved
from tests.waiting import wait_until
from tests.workers import RunningWorker
from upnext_django import TaskExecutionError

TASKS = "tests.fundamentals.results"


def until_active(future: upnext.Future[Any]) -> None:
    wait_until(lambda: future.status_sync() == "active", "the job runs")


def end_of(future: upnext.Future[Any]) -> TaskExecutionError:
    with pytest.raises(TaskExecutionError) as caught:
        future.result_sync(timeout=10)
    return caught.value


def test_a_waiting_job_never_runs(worker: RunningWorker):
    future = saved.options(delay=3600).submit()

    assert future.cancel_sync() is True

    error = end_of(future)
    assert (error.status, error.task_result.attempts, error.task_result.started_at) == ("cancelled", 0, None)
    assert future.status_sync() == "cancelled"


@pytest.mark.parametrize("task", [runs_on, looks_now_and_then], ids=["async", "sync"])
def test_a_running_job_stops_within_two_seconds(worker: RunningWorker, task: upnext.TaskHandle[..., Any]):
    def seconds_to_stop() -> float:
        future = task.submit()
        until_active(future)

        start = time.monotonic()
        assert future.cancel_sync() is True

        assert end_of(future).status == "cancelled"
        return time.monotonic() - start

    # The machine itself may stand still for a second, but not three times.
    assert any(seconds_to_stop() < 2 for _ in range(3))


def test_a_running_async_job_may_clean_up(worker: RunningWorker):
    future = cleans_up.submit()
    worker.wait_for("[waits]")

    future.cancel_sync()

    worker.wait_for("[cleaned up]")
    assert end_of(future).status == "cancelled"


def test_a_job_that_has_ended_cannot_be_cancelled(worker: RunningWorker):
    future = saved.submit()
    future.result_sync()

    assert future.cancel_sync() is False
    assert future.status_sync() == "complete"


@pytest.mark.usefixtures("worker")
async def test_cancelling_in_async_code():
    future = await saved.options(delay=60).submit()

    assert await future.cancel() is True
    assert await future.status() == "cancelled"


def test_a_tree_takes_its_descendants_along(worker: RunningWorker):
    future = parent_of_one.submit()
    worker.wait_for("[child ")
    child_id = worker.printed().partition("[child ")[2].partition("]")[0]

    assert future.cancel_sync(tree=True) is True

    assert end_of(future).status == "cancelled"
    wait_until(lambda: upnext.get_job(child_id).status == "cancelled", "the child is cancelled")
