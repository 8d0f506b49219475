"""A failed attempt is followed by another one, later and later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

import upnext_django as upnext
from tests.fundamentals import retries
from tests.waiting import wait_until
from upnext_django import TaskExecutionError

TASKS = "tests.fundamentals.retries"

SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("worker")


class Clock:
    """Brings a retry's moment forward: its score in the queue's ``scheduled`` is when it is due."""

    def __init__(self, url: str, namespace: str) -> None:
        self.client = redis.Redis.from_url(url)
        self.key = f"un:{{{namespace}:retries}}:scheduled"

    def retries_of(self, future: upnext.Future[Any]) -> list[tuple[float, float]]:
        """Return how many seconds each retry lay in the future: after its attempt had failed and before."""
        delays: list[tuple[float, float]] = []
        while True:
            ended = wait_until(
                lambda: self.client.zscore(self.key, future.job_id) or future.status_sync() == "failed",
                "the attempt has failed",
            )
            if ended is True:
                return delays
            seen_s, seen_us = self.client.time()
            seen = datetime.fromtimestamp(seen_s, UTC).replace(microsecond=seen_us)
            job = upnext.get_job(future.job_id)
            assert (job.status, job.retries) == ("retrying", len(delays))
            assert job.run_at is not None
            assert job.started_at is not None
            delays.append(((job.run_at - seen) / SECOND, (job.run_at - job.started_at) / SECOND))
            self.client.zadd(self.key, {future.job_id: 1}, xx=True)
            retries.nothing.submit_sync()  # a worker that has nothing to do looks for due jobs later
            wait_until(lambda: self.client.zscore(self.key, future.job_id) != 1, "it runs again")


@pytest.fixture
def clock(valkey_url: str, project: str):
    clock = Clock(valkey_url, project)
    yield clock
    clock.client.close()


def test_delay_2_backoff_2_gives_2_4_8_16_32(clock: Clock):
    delays = clock.retries_of(retries.punctual.submit_sync())

    for (after, before), exact in zip(delays, [2, 4, 8, 16, 32], strict=True):
        assert after <= exact <= before


def test_the_jitter_of_the_default_only_lengthens_and_by_a_tenth_at_most(clock: Clock):
    delays = clock.retries_of(retries.api_call.submit_sync())

    for (after, before), exact in zip(delays, [2, 4, 8, 16, 32], strict=True):
        assert exact <= before
        assert after <= exact * 1.1


def test_no_delay_is_longer_than_the_ceiling(clock: Clock):
    delays = clock.retries_of(retries.capped.submit_sync())

    for (after, before), exact in zip(delays, [2, 20, 30, 30], strict=True):
        assert after <= exact <= before


async def test_a_job_may_succeed_at_its_last_attempt():
    result = await retries.third_time.wait()

    assert (result.value, result.attempts, result.status) == (3, 3, "complete")


@pytest.mark.parametrize("task", [retries.only_connections, retries.never_values])
@pytest.mark.parametrize(("kind", "attempts"), [("connection", 4), ("value", 1)])
async def test_which_errors_are_retried(task: upnext.TaskHandle[..., Any], kind: str, attempts: int):
    with pytest.raises(TaskExecutionError) as caught:
        await task.wait(kind=kind)

    assert caught.value.task_result.attempts == attempts


async def test_raising_retry_overrides_the_rules_and_the_delay():
    result = await retries.asks_for_it.wait()

    assert (result.value, result.attempts) == (2, 2)


async def test_raising_retry_spends_attempts():
    with pytest.raises(TaskExecutionError) as caught:
        await retries.asks_too_often.wait()

    assert caught.value.task_result.attempts == 2


def test_the_times_of_a_job_are_aware():
    future = retries.third_time.submit_sync()
    future.result_sync()

    job = upnext.get_job(future.job_id)
    assert job.created_at is not None
    assert job.started_at is not None
    assert job.completed_at is not None
    assert job.created_at.tzinfo is not None
    assert job.created_at <= job.started_at <= job.completed_at
