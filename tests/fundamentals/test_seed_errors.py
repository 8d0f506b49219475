"""The examples of the error handling guide do what the guide says."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.fundamentals import seed_errors as guide
from tests.fundamentals.seed_errors import risky_task, slow_task, task_a, task_b
from tests.workers import RunningWorker
from upnext_django import TaskExecutionError, TaskTimeoutError

TASKS = "tests.fundamentals.seed_errors"

pytestmark = pytest.mark.usefixtures("worker")


async def test_the_tasks_of_the_guide_run(worker: RunningWorker):
    tasks = [guide.flaky_task, guide.api_call, guide.bounded_task, guide.monitored_task]

    results = await upnext.gather(task.wait() for task in tasks)

    assert [result.status for result in results] == ["complete"] * 4


async def test_the_attempt_number_is_known(worker: RunningWorker):
    await guide.resilient_task.wait()

    worker.wait_for("Attempt 1 of 4")


async def test_a_timeout_has_an_error_of_its_own():
    said = job_id = None
    try:
        await slow_task.wait(data="large")
    except TaskTimeoutError as e:
        said, job_id = f"Job {e.job_id} timed out: {e.error}", e.task_result.job_id

    assert said == f"Job {job_id} timed out: 0.2 seconds"


async def test_an_execution_error_carries_what_happened():
    with pytest.raises(TaskExecutionError) as caught:
        await risky_task.wait(x=1)

    e = caught.value
    assert not isinstance(e, TaskTimeoutError)
    assert e.job_id == e.task_result.job_id
    assert e.status == "failed"
    assert e.error == "ZeroDivisionError: division by zero"
    assert (e.task_result.ok, e.task_result.status, e.task_result.attempts) == (False, "failed", 1)


async def test_catching_errors():
    said = []
    for x in (1, 2):
        try:
            result = await risky_task.wait(x=x)
            said.append(f"Success: {result.value}")
        except TaskTimeoutError as e:
            said.append(f"Timed out: {e.error}")
        except TaskExecutionError as e:
            said.append(f"Failed: {e.error}")
            said.append(f"Status: {e.status}")
            said.append(f"Attempts: {e.task_result.attempts}")

    assert said == [
        "Failed: ZeroDivisionError: division by zero",
        "Status: failed",
        "Attempts: 1",
        "Success: 1.0",
    ]


async def test_the_result_of_a_future_raises_too():
    future = await risky_task.submit(x=1)

    with pytest.raises(TaskExecutionError, match="division by zero"):
        await future.result()
    with pytest.raises(TaskExecutionError, match="division by zero"):
        await future.value()


async def test_gather_collects_errors_without_raising():
    results = await upnext.gather(
        task_a.wait(x=1),
        task_b.wait(x=2),
        return_exceptions=True,
    )

    said = []
    for result in results:
        if isinstance(result, TaskExecutionError):
            said.append(f"Task failed: {result.error}")
        elif not isinstance(result, BaseException):
            said.append(f"Task succeeded: {result.value}")
    assert said == ["Task succeeded: 1", "Task failed: ValueError: not 2"]
