"""An attempt that runs longer than its timeout is ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import upnext_django as upnext
from tests.fundamentals import timeouts
from tests.fundamentals.holding import paused
from upnext_django import TaskTimeoutError

TASKS = "tests.fundamentals.timeouts"

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_timeout_is_retried_like_a_failure():
    result = await timeouts.slow_at_first.wait()

    assert (result.value, result.attempts) == ("quick", 2)


async def test_waiting_for_children_counts():
    with pytest.raises(TaskTimeoutError, match=r"0\.5 seconds"):
        await timeouts.waits_for_a_child.wait()


async def test_none_is_no_limit():
    assert (await timeouts.without_limit.wait()).value == 1


async def test_a_call_may_set_its_own():
    with pytest.raises(TaskTimeoutError, match=r"0\.2 seconds"):
        await timeouts.slow_async.options(timeout=0.2).wait()


async def test_waiting_too_long_raises_the_builtin_and_the_job_goes_on():
    with paused("timeouts"):
        future = await timeouts.without_limit.submit()

        with pytest.raises(TimeoutError) as caught:
            await future.result(timeout=0.05)

    assert type(caught.value) is TimeoutError
    assert await future.value() == 1


async def test_wait_timeout_is_how_long_a_wait_may_last():
    with pytest.raises(TimeoutError):
        await timeouts.slow_child.wait(wait_timeout=0.05)  # type: ignore[call-arg]  # the typed form is below
    with pytest.raises(TimeoutError):
        await timeouts.without_limit.options(delay=60, wait_timeout=0.05).wait()


@pytest.mark.parametrize(
    "task", [timeouts.slow_async, timeouts.slow_sync, timeouts.blocks_the_loop], ids=lambda task: task.name
)
async def test_it_ends_within_five_seconds_of_its_deadline(task: upnext.TaskHandle[..., Any]):
    with pytest.raises(TaskTimeoutError) as caught:
        await task.wait()

    result = caught.value.task_result
    assert result.started_at is not None
    assert result.completed_at is not None
    assert result.completed_at - result.started_at < timedelta(seconds=5.5)
    assert (caught.value.error, caught.value.status) == ("0.3 seconds", "failed")
