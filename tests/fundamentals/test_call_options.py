"""task.options(): what one call may have otherwise."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import upnext_django as upnext
from tests.fundamentals.calls import add, describe, fails, hold, note
from tests.waiting import await_until
from tests.workers import RunningWorker
from upnext_django import TaskExecutionError

TASKS = "tests.fundamentals.calls"
OPTIONS = ["--concurrency", "1"]

pytestmark = pytest.mark.usefixtures("worker")


@pytest.mark.parametrize("delay", [0.3, timedelta(seconds=0.3)], ids=["seconds", "timedelta"])
async def test_delay(delay: float | timedelta):
    future = await add.options(delay=delay).submit(1)
    result = await future.result()
    job = await upnext.aget_job(future.job_id)

    assert result.started_at is not None
    assert job.created_at is not None
    assert result.started_at - job.created_at >= timedelta(seconds=0.3)


async def test_a_delayed_job_is_scheduled():
    future = await add.options(delay=3600).submit(1)

    assert await future.status() == "scheduled"
    assert await future.cancel()


async def test_at():
    moment = datetime.now(UTC) + timedelta(hours=2)
    future = await add.options(at=moment).submit(1)

    job = await upnext.aget_job(future.job_id)

    assert job.status == "scheduled"
    assert job.run_at is not None
    assert abs(job.run_at - moment) < timedelta(milliseconds=2)
    assert await future.cancel()


async def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="aware"):
        add.options(at=datetime(2030, 1, 1)).submit(1)  # noqa: DTZ001


async def test_priority(worker: RunningWorker, tmp_path: Path):
    gate = tmp_path / "gate"
    await hold.submit("for priority", str(gate))
    worker.wait_for("[held for priority]")
    notes = [await note.options(priority=p).submit(100 + p) for p in (-1, 0, 1)]
    gate.touch()
    await upnext.gather(notes)

    await upnext.gather(note.options(priority=-1).submit(0))

    said = re.findall(r"\[note (\d+)\]", worker.printed())
    assert said == ["101", "100", "99", "0"]


async def test_queue():
    future = await add.options(queue="slow-lane").submit(1)

    assert (await upnext.aget_job(future.job_id)).queue == "slow-lane"
    assert await future.value() == 2


async def test_an_unknown_queue_is_refused():
    with pytest.raises(upnext.UnknownQueue, match=r"slow-lain.*slow-lane"):
        add.options(queue="slow-lain").submit(1)


async def test_retries_and_meta():
    result = await describe.options(retries=1, meta={"tenant": 7}).wait()

    assert result.value == {"max_attempts": 2, "meta": {"tenant": 7}, "job": result.job_id}
    assert (await describe.wait()).value["max_attempts"] == 5


async def test_retries_of_a_call_are_done():
    with pytest.raises(TaskExecutionError) as caught:
        await fails.options(retries=1).wait()

    assert caught.value.task_result.attempts == 2


async def test_expires(worker: RunningWorker, tmp_path: Path):
    gate = tmp_path / "gate"
    await hold.submit("for expiry", str(gate))
    worker.wait_for("[held for expiry]")
    late = await note.options(expires=0.1).submit(666)
    expired = datetime.now(UTC) + timedelta(seconds=0.1)
    await await_until(lambda: datetime.now(UTC) > expired, "the job is too late")
    gate.touch()

    with pytest.raises(TaskExecutionError) as caught:
        await late.result()

    assert caught.value.status == "cancelled"
    assert "[note 666]" not in worker.printed()


@pytest.mark.parametrize(
    "options",
    [
        {"delay": -1},
        {"delay": float("nan")},
        {"delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"priority": 101},
        {"retries": -1},
        {"timeout": 0},
        {"expires": 0},
        {"queue": "a b"},
        {"retrys": 3},
    ],
    ids=str,
)
async def test_options_that_make_no_sense_are_refused(options: dict[str, Any]):
    name = next(iter(options))
    with pytest.raises((ValueError, TypeError, LookupError), match=name):
        await add.options(**options).submit(1)


async def test_options_may_be_given_one_after_the_other():
    twice = add.options(delay=3600).options(meta={"a": 1})

    future = await twice.submit(1)
    job = await upnext.aget_job(future.job_id)

    assert (job.meta, job.status) == ({"a": 1}, "scheduled")
    assert await future.cancel()
