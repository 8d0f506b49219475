"""enqueue as in aioq, delay and apply_async as in Celery, and the Job they are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import upnext_django as upnext
from tests.fundamentals.calls import add, fails
from tests.fundamentals.holding import paused

TASKS = "tests.fundamentals.calls"

pytestmark = pytest.mark.usefixtures("worker")


async def test_enqueue_gives_the_job():
    job = await add.enqueue(1, b=2)

    assert isinstance(job, upnext.Job)
    assert (job.task_name, job.args, job.kwargs) == ("tests.fundamentals.calls.add", (1,), {"b": 2})
    assert (job.retries, job.max_retries, job.result, job.error) == (0, 0, None, None)
    assert job.status == "queued"


async def test_the_job_of_an_id():
    future = await add.submit(1, b=2)
    await future.result()

    job = await upnext.aget_job(future.job_id)

    assert (job.id, job.status, job.result, job.error) == (future.job_id, "complete", 3, None)


def test_the_job_of_an_id_in_sync_code():
    future = fails.submit()
    with pytest.raises(upnext.TaskExecutionError):
        future.result_sync()

    job = upnext.get_job(future.job_id)

    assert (job.status, job.result, job.error) == ("failed", None, "ValueError: text")


def test_delay():
    assert add.delay(1, b=2).value_sync() == 3


def test_apply_async():
    assert add.apply_async((1,), {"b": 2}).value_sync() == 3
    assert add.apply_async(args=[1], kwargs={"b": 2}, queue="slow-lane", priority=5).value_sync() == 3


def test_apply_async_with_a_moment():
    later = add.apply_async((1,), countdown=3600, expires=7200)
    at = add.apply_async((1,), eta=datetime.now(UTC) + timedelta(hours=1))

    for future in (later, at):
        job = upnext.get_job(future.job_id)
        assert job.status == "scheduled"
        assert job.run_at is not None
        assert job.created_at is not None
        assert timedelta(minutes=59) < job.run_at - job.created_at < timedelta(minutes=61)
        assert future.cancel_sync()


def test_apply_async_with_a_task_id_makes_one_live_job_of_it():
    with paused("calls"):
        first = add.apply_async((1,), task_id="2f3c9c0a-58a7-4c56-9d3e-1f2a3b4c5d6e")
        second = add.apply_async((5,), task_id="2f3c9c0a-58a7-4c56-9d3e-1f2a3b4c5d6e")

    assert (first.value_sync(), second.value_sync()) == (2, 2)
