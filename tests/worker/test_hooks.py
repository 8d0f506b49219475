"""Hooks that raise, hang or are slow: the outcome of their job stands, and nothing is left of them."""

from __future__ import annotations

from typing import Any

import pytest

import upnext_django as upnext
from tests.fleet import hooked
from tests.fleet.processes import Fleet, WorkerHandle
from tests.waiting import wait_until

SERVED: dict[str, Any] = {"modules": ("tests.fleet.hooked",), "workers": ("hooked",)}
WAIT_S = 15.0

Task = upnext.TaskHandle[..., Any]
ASYNC_AND_SYNC = ["async", "thread"]


@pytest.fixture
def worker(fleet: Fleet) -> WorkerHandle:
    return fleet.start_ready(**SERVED)


@pytest.mark.parametrize(
    "task",
    [hooked.async_with_async_hook, hooked.sync_with_async_hook, hooked.sync_with_sync_hook],
    ids=lambda task: task.function_name,
)
def test_a_hook_past_the_deadline_is_cut_and_the_outcome_stands(
    fleet: Fleet, worker: WorkerHandle, task: Task
):
    """In a thread a hook that hung made a timeout of a job that had succeeded, and it ran again."""
    result = task.submit().result_sync(timeout=WAIT_S)

    assert (result.value, result.attempts) == (7, 1)
    fleet.ledger.wait_for("cut", 1)
    assert fleet.ledger.words() == ["run", "hang", "cut"]
    assert "its hooks did not end in time" in worker.log()


@pytest.mark.parametrize(
    "task",
    [hooked.async_with_sync_hook, hooked.sync_with_stuck_hook],
    ids=lambda task: task.function_name,
)
def test_a_hook_that_nothing_can_interrupt_is_left_behind(fleet: Fleet, worker: WorkerHandle, task: Task):
    result = task.submit().result_sync(timeout=WAIT_S)

    assert (result.value, result.attempts) == (7, 1)
    assert fleet.ledger.words() == ["run", "hang"]
    assert hooked.add.options(wait_timeout=WAIT_S).wait_sync(1, 2).value == 3
    assert hooked.add_in_thread.options(wait_timeout=WAIT_S).wait_sync(1, 2).value == 3


@pytest.mark.parametrize(
    "task",
    [hooked.with_a_cancelled_wait, hooked.cancelled_in_thread, hooked.interrupted_in_thread],
    ids=lambda task: task.function_name,
)
def test_a_hook_that_raises_what_ends_tasks_and_threads_ends_only_itself(
    fleet: Fleet, worker: WorkerHandle, task: Task
):
    """CancelledError ended the thread: its job kept slot and lease for ever. In a task it ended the hooks."""
    result = task.submit().result_sync(timeout=WAIT_S)

    assert result.value == 7
    assert fleet.ledger.words() == ["complete"]
    assert hooked.add_in_thread.options(wait_timeout=WAIT_S).wait_sync(1, 2).value == 3


@pytest.mark.parametrize("task", [hooked.too_slow, hooked.too_slow_in_thread], ids=ASYNC_AND_SYNC)
def test_a_timeout_calls_on_retry_and_then_on_failure(fleet: Fleet, worker: WorkerHandle, task: Task):
    with pytest.raises(upnext.TaskTimeoutError):
        task.submit().result_sync(timeout=WAIT_S)

    assert fleet.ledger.words() == ["retry", "failure", "complete"]


@pytest.mark.parametrize("task", [hooked.held, hooked.held_in_thread], ids=ASYNC_AND_SYNC)
def test_a_cancel_calls_on_complete_alone(fleet: Fleet, worker: WorkerHandle, task: Task):
    future = task.submit("never")
    fleet.ledger.wait_for("run", 1)

    future.cancel_sync()

    with pytest.raises(upnext.TaskExecutionError) as caught:
        future.result_sync(timeout=WAIT_S)
    assert caught.value.status == "cancelled"
    assert fleet.ledger.words() == ["run", "complete"]


def test_a_hook_after_a_timeout_runs_in_a_task_that_is_not_being_cancelled(
    fleet: Fleet, worker: WorkerHandle
):
    with pytest.raises(upnext.TaskTimeoutError):
        hooked.too_slow_and_told.submit().result_sync(timeout=WAIT_S)

    assert fleet.ledger.words() == ["slept"]


def test_a_job_whose_hook_runs_at_the_workers_end_is_not_handed_back(fleet: Fleet):
    """What its function came to was thrown away, and it ran again elsewhere."""
    worker = fleet.start_ready(**SERVED, shutdown_timeout_s=0.2)
    future = hooked.done_but_for_its_hook.submit()
    fleet.ledger.wait_for("hook", 1)

    assert worker.stop() == 0

    assert future.result_sync(timeout=WAIT_S).value == 7
    job = wait_until(lambda: fleet.job(future.job_id), "the job is known")
    assert (job.attempts, job.handbacks) == (1, 0)
