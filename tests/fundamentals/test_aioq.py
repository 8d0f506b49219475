"""aioq's words: enqueue with its options, the job and its states, the broker, crons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import upnext_django as upnext
from tests.fundamentals.aioq_words import (
    add,
    app,
    backs_off,
    broker,
    clean,
    held,
    is_retried,
    keeps_its_context,
)
from tests.waiting import await_until
from upnext_django.contrib.aioq import Aarq, Aioq, Job, JobStatus
from upnext_django.contrib.aioq.backends import RedisBroker
from upnext_django.declare.registry import registry

MOMENT = datetime(2050, 1, 1, 9, tzinfo=UTC)
TASKS = "tests.fundamentals.aioq_words"

pytestmark = pytest.mark.usefixtures("worker")


async def ended(job_id: str) -> Job:
    """Return the job when it has ended."""
    await await_until(lambda: upnext.get_job(job_id).completed_at is not None, "the job has ended")
    job = await broker.get_job(job_id)
    assert job is not None
    return job


async def test_the_first_argument_is_the_context_whatever_its_name():
    job = await add.enqueue(1, b=2)

    done = await ended(job.id)

    assert (job.queue, job.priority, job.args, job.kwargs) == ("email", 10, [1], {"b": 2})
    assert (done.status, done.result, done.worker_id is None) == ("completed", 3, False)
    assert done.enqueued_at is not None
    assert done.started_at is not None
    assert done.enqueued_at <= done.started_at


async def test_the_context_is_a_dict():
    done = await ended((await keeps_its_context.enqueue()).id)

    assert done.result == {"worker_id": done.worker_id, "job_id": done.id, "mine": "kept"}


async def test_a_job_that_fails_for_good():
    done = await ended((await is_retried.enqueue()).id)

    assert (done.status, done.retries, done.max_retries) == (JobStatus.failed, 1, 1)
    assert done.error == "ValueError: at every attempt"


async def test_a_deferred_job_is_pending_and_can_be_cancelled():
    async with broker:
        job = await held.enqueue(1, defer_by=3600)

        assert job.status == JobStatus.pending
        assert await broker.cancel_job(job.id)
        assert not await broker.cancel_job(job.id)
        assert (await ended(job.id)).status == JobStatus.cancelled


@pytest.mark.parametrize("moment", [MOMENT, MOMENT.replace(tzinfo=None)])
async def test_a_moment_without_timezone_is_utc(moment: datetime):
    job = await held.enqueue(1, defer_until=moment)

    assert job.run_at == MOMENT
    assert await broker.cancel_job(job.id)


async def test_many_jobs_of_dicts_and_tuples():
    jobs = await add.enqueue_many([{"a": 1}, (2, 3)], priority=-5)

    assert [(await ended(job.id)).result for job in jobs] == [2, 5]
    assert {job.priority for job in jobs} == {-5}


@pytest.mark.usefixtures("rows")
async def test_a_job_that_nobody_knows_is_none():
    assert await broker.get_job("0193b0de-0000-7000-8000-000000000000") is None
    assert not await broker.cancel_job("0193b0de-0000-7000-8000-000000000000")


async def test_a_task_is_called_with_a_context_of_ones_own():
    assert await add({}, 1, b=2) == 3


async def test_what_has_no_equal_is_refused():
    with pytest.raises(upnext.UpNextError, match="wait for no other jobs"):
        await add.enqueue(1, depends_on=["a"])
    with pytest.raises(ValueError, match="two moments"):
        await add.enqueue(1, defer_by=1, defer_until=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(upnext.DefinitionError, match="dead letter"):
        app.task(dead_letter_queue="dlq")
    with pytest.raises(upnext.DefinitionError, match="first argument"):

        @app.task()
        async def takes_nothing() -> None: ...


def test_a_backoff_doubles_the_delay():
    definition = backs_off.definition

    assert (definition.retry_delay, definition.retry_backoff, definition.retry_max_delay) == (2.0, 2.0, 300)
    assert (definition.timeout, is_retried.definition.retry_backoff) == (30, 1.0)


def test_an_app_knows_its_tasks():
    assert Aarq is Aioq
    assert app.get_task(add.name) is add
    assert app.get_task("nobody") is None
    assert "tests.fundamentals.aioq_words.held" in app.task_names
    assert (held.queue, held.retries, held.retry_delay) == ("held", 0, 5.0)
    assert (held.save_result, held.result_ttl, held.app) == (False, 3600, app)


def test_a_cron_is_one_of_ours():
    definition = clean.definition

    assert definition.cron is not None
    assert (definition.kind, definition.queue, definition.function_name) == ("cron", "nightly", "cleaning")


def test_a_broker_of_another_server_has_a_worker_of_its_own():
    with registry.isolated():
        elsewhere = Aarq(broker=RedisBroker(url="redis://elsewhere:6379/2"))

        @elsewhere.task()
        async def far_away(ctx: object) -> None: ...

        assert [worker.redis_url for worker in registry.workers] == ["redis://elsewhere:6379/2"]
        assert far_away.worker is registry.workers[0]
