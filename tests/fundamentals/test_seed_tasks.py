"""The examples of the tasks guide do what the guide says."""

from __future__ import annotations

import pytest

from tests.fundamentals.seed_tasks import my_task, process_order, simple_task, sync_task
from tests.workers import RunningWorker

TASKS = "tests.fundamentals.seed_tasks"

pytestmark = pytest.mark.usefixtures("worker")


async def test_submit_gives_a_future_and_its_value():
    future = await process_order.submit(order_id="123", items=["A", "B"])
    value = await future.value()

    assert isinstance(future.job_id, str)
    assert value == {"order_id": "123", "status": "completed"}


async def test_wait_gives_a_result():
    result = await process_order.wait(order_id="123", items=["A", "B"])

    assert result.value == {"order_id": "123", "status": "completed"}


async def test_an_async_and_a_sync_task_run():
    assert (await simple_task.wait("Ada")).value == "Hello, Ada!"
    assert (await sync_task.wait(data=["a", "b", "c"])).value == 3


async def test_the_hooks_of_a_successful_job_run(worker: RunningWorker):
    await my_task.wait()

    worker.wait_for("Complete (success or failure)")
    assert [line for line in worker.printed().splitlines() if line in HOOK_LINES] == [
        "Starting",
        "Done!",
        "Complete (success or failure)",
    ]


HOOK_LINES = {"Starting", "Done!", "Failed", "Retrying...", "Complete (success or failure)"}
