"""submit and wait in sync and async code, and what they give."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

import pytest

import upnext_django as upnext
from tests.fundamentals.futures import add, add_in_a_thread, never_ends, takes_wait_timeout
from tests.fundamentals.holding import paused
from tests.waiting import wait_until
from upnext_django import TaskExecutionError

TASKS = "tests.fundamentals.futures"

pytestmark = pytest.mark.usefixtures("worker")

TWO = pytest.mark.parametrize("task", [add, add_in_a_thread], ids=["async", "sync"])


@TWO
async def test_in_async_code(task: upnext.TaskHandle[..., int]):
    future = await task.submit(1, b=2)
    result = await future.result()

    assert (result.value, await future.value(), await future.status()) == (3, 3, "complete")


@TWO
def test_in_sync_code(task: upnext.TaskHandle[..., int]):
    future = task.submit(1, b=2)
    result = future.result_sync()

    assert (result.value, future.value_sync(), future.status_sync()) == (3, 3, "complete")
    assert task.wait_sync(1, 2).value == 3


@TWO
async def test_every_field_of_a_result(task: upnext.TaskHandle[..., int]):
    future = await task.submit(1, 2)
    result = await future.result()

    assert result.value == 3
    assert result.job_id == result.root_id == future.job_id
    assert result.parent_id is None
    assert result.function == f"tests.fundamentals.futures.{task.name.rpartition('.')[2]}"
    assert result.function_name == ("add" if task is add else "The sync sum")
    assert (result.status, result.ok, result.attempts) == ("complete", True, 1)
    assert isinstance(result.started_at, datetime)
    assert isinstance(result.completed_at, datetime)
    assert result.started_at.utcoffset() is not None
    assert result.started_at <= result.completed_at


async def test_a_future_without_awaiting_the_submit():
    future = add.submit(1)

    assert future.job_id
    assert await future.value() == 2


@pytest.mark.django_db
def test_fire_and_forget_when_the_loop_ends_at_once():
    async def main() -> upnext.Future[int]:
        return add.submit(20)

    future = asyncio.run(main())

    assert wait_until(lambda: sent(future), "the job was sent though its loop has ended")
    assert future.value_sync() == 21


def sent(future: upnext.Future[int]) -> bool:
    try:
        return bool(upnext.get_job(future.job_id))
    except upnext.JobNotFound:
        return False


async def test_submit_sync_may_be_called_in_a_loop_and_the_waiting_twins_may_not():
    future = add.submit_sync(1)

    assert await future.value() == 2
    with pytest.raises(RuntimeError, match="await"):
        add.wait_sync(1)
    with pytest.raises(RuntimeError, match="await"):
        future.result_sync()
    with pytest.raises(RuntimeError, match="await"):
        future.value_sync()


@pytest.mark.django_db
async def test_a_wait_has_a_job_id_and_can_be_cancelled():
    waiting = never_ends.wait()

    task = asyncio.ensure_future(waiting)
    job = await job_when_sent(waiting.job_id)
    assert job.function_name == "never_ends"
    assert await waiting.cancel()
    with pytest.raises(TaskExecutionError) as caught:
        await task
    assert caught.value.status == "cancelled"


async def job_when_sent(job_id: str) -> upnext.Job:
    while True:
        with contextlib.suppress(upnext.JobNotFound):
            return await upnext.aget_job(job_id)


async def test_cancelling_the_code_that_awaits_leaves_the_job_alone():
    with paused("futures"):
        future = await add.submit(1)
        awaiting = asyncio.ensure_future(future.result())
        await asyncio.wait([awaiting], timeout=0.05)

        awaiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await awaiting
    assert await future.value(timeout=10) == 2


async def test_many_waiters_of_one_job_all_get_its_result():
    future = await add.submit(1)

    results = await asyncio.gather(*(future.result() for _ in range(5)))

    assert [result.value for result in results] == [2] * 5


def test_calling_a_task_runs_the_function_here():
    assert add_in_a_thread(1, 2) == 3
    assert asyncio.run(add(1, 2)) == 3
    assert add.__doc__ == "Add two numbers."
    assert add.__name__ == "add"


def test_the_identity_of_a_task_is_its_module_and_name():
    assert add.name == "tests.fundamentals.futures.add"


async def test_a_parameter_named_wait_timeout_is_the_task_s_own():
    assert (await takes_wait_timeout.wait(wait_timeout=7)).value == 7


async def test_the_status_of_a_job_that_runs():
    future = await never_ends.submit()

    while await future.status() != "active":
        assert await future.status() in ("queued", "active")
    assert await future.cancel()
