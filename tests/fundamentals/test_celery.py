"""Celery's words: results and their states, ids of one's own, retries, limits, chains."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

import upnext_django as upnext
from tests.fundamentals.celery_words import (
    add,
    adds_in_the_loop,
    app,
    asks_another,
    fails,
    hangs,
    ignores_its_limit,
    is_limited,
    leaves_in_time,
    retries_later,
    retries_never,
    retries_with_others,
    shows_progress,
    total,
    waits_for_nobody,
    whoami,
)
from tests.waiting import wait_until
from upnext_django.contrib.celery import AsyncResult, chain, chord, group, signature, states
from upnext_django.contrib.celery.exceptions import (
    NotOffered,
    Retry,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
)

TASKS = "tests.fundamentals.celery_words"
GIVEN = "9a4b1c1e-2f7c-4f0a-8a53-6d1f8e3b7a10"

pytestmark = pytest.mark.usefixtures("worker")


# -- results


def test_a_result():
    result = add.delay(1, y=2)

    assert result.get(timeout=20) == 3
    assert (result.status, result.state, result.result) == ("SUCCESS", "SUCCESS", 3)
    assert (result.ready(), result.successful(), result.failed()) == (True, True, False)
    assert result.date_done is not None
    assert str(result) == result.id == result.task_id
    assert AsyncResult(result.id) == add.AsyncResult(result.id) == result
    assert AsyncResult(result.id).get(timeout=20) == 3


def test_a_result_of_a_task_that_raised():
    result = fails.delay("no")

    with pytest.raises(ValueError, match=r"\Ano\Z"):
        result.get(timeout=20)
    assert (result.state, result.failed(), result.successful()) == ("FAILURE", True, False)
    assert repr(result.result) == repr(result.get(propagate=False)) == "ValueError('no')"
    assert "raise ValueError(text)" in (result.traceback or "")
    with pytest.raises(ValueError, match="no"):
        AsyncResult(result.id).get(timeout=20)


def test_a_wait_that_takes_too_long():
    result = waits_for_nobody.apply_async(countdown=3600)

    with pytest.raises(TimeoutError):
        result.get(timeout=0.05)
    assert (result.state, result.ready(), result.result) == ("PENDING", False, None)
    result.revoke()


@pytest.mark.usefixtures("rows")
def test_a_job_that_nobody_knows():
    result = AsyncResult("never-sent")

    assert (result.state, result.ready(), result.result, result.traceback) == ("PENDING", False, None, None)
    with pytest.raises(upnext.JobNotFound):
        result.get(timeout=20)


def test_a_revoked_job():
    result = waits_for_nobody.apply_async(countdown=3600)

    result.revoke()

    assert result.state == states.REVOKED
    with pytest.raises(TaskRevokedError):
        result.get(timeout=20)


def test_a_running_job_is_only_revoked_with_terminate():
    result = leaves_in_time.options(timeout=60).submit(600)
    running = AsyncResult(result.job_id)
    wait_until(lambda: running.state == states.STARTED or running.ready(), "the job has begun")

    running.revoke(terminate=True)

    wait_until(running.ready, "the job has ended")


def test_an_ignored_result_is_none_at_once():
    result = total.apply_async((1, 2), countdown=3600)

    assert result.get(timeout=20) is None
    result.revoke()


@pytest.mark.usefixtures("rows")
def test_a_job_sent_in_a_transaction_leaves_on_its_commit():
    with transaction.atomic():
        result = add.delay_on_commit(1)
        with pytest.raises(upnext.JobNotFound):
            upnext.get_job(result.id)
        with pytest.raises(upnext.WaitInTransaction):
            result.get(timeout=20)

    assert result.get(timeout=20) == 2


# -- ids of one's own


def test_a_job_with_an_id_of_ones_own():
    result = whoami.apply_async(task_id=GIVEN, queue="celery-held")

    job = upnext.get_job(GIVEN)
    expected = [GIVEN, GIVEN, job.id, "tests.fundamentals.celery_words.whoami", "celery-held", False]
    assert result.id == GIVEN
    assert result.get(timeout=20) == expected
    assert AsyncResult(GIVEN).get(timeout=20) == expected


def test_an_id_that_is_given_again_while_its_job_lives_leads_to_that_job():
    first = add.apply_async((1,), task_id="report-7", countdown=3600)
    second = add.apply_async((100,), task_id="report-7")

    assert second.state == states.PENDING
    assert upnext.get_job("report-7").args == (1,)
    first.revoke()
    assert second.state == states.REVOKED


def test_an_id_that_is_given_again_after_the_end_makes_a_new_job():
    assert add.apply_async((1,), task_id="report-8").get(timeout=20) == 2
    assert add.apply_async((2,), task_id="report-8").get(timeout=20) == 3
    assert AsyncResult("report-8").get(timeout=20) == 3


async def test_an_id_of_ones_own_in_a_loop():
    result = add.apply_async((1,), task_id="in a loop")

    assert result.future is not None
    assert await result.future.value(20) == 2
    assert (await upnext.aget_job("in a loop")).result == 2
    with pytest.raises(RuntimeError, match="would block"):
        add.delay(1).get()


# -- retries


def test_a_retry_at_a_moment():
    result = retries_later.delay()
    wait_until(lambda: result.state == states.RETRY, "the job is to be retried")

    job = upnext.get_job(result.id)
    assert job.run_at is not None
    assert job.run_at - datetime.now(UTC) > timedelta(minutes=59)
    result.revoke()


def test_a_retry_has_the_same_arguments():
    with pytest.raises(upnext.TaskExecutionError, match="a retry is the same job"):
        retries_with_others.delay(1).get(timeout=20)


def test_a_retry_that_is_not_thrown_and_allows_more_than_the_task():
    assert retries_never.delay().get(timeout=20) == "at the second attempt"


def test_a_task_that_is_called_directly_has_no_job_to_retry():
    assert add(1, 2) == 3
    assert whoami.request.called_directly
    with pytest.raises(Retry):
        retries_later()


# -- limits


def test_a_soft_limit_ends_a_function_that_does_not_catch_it():
    with pytest.raises(SoftTimeLimitExceeded):
        leaves_in_time.delay(600).get(timeout=20)


def test_a_soft_limit_is_raised_once_and_may_be_caught():
    assert ignores_its_limit.delay().get(timeout=20) == ["heard", "went on"]


def test_a_soft_limit_that_is_not_reached_is_never_raised():
    assert leaves_in_time.delay(0).get(timeout=20) == "done"
    assert [add.delay(n).get(timeout=20) for n in range(50)] == list(range(1, 51))


def test_a_time_limit_is_not_retried():
    result = hangs.delay()

    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=20)
    assert result.retries == 0


# -- the rest


def test_a_task_of_an_app_by_its_name():
    assert total.name == "billing.total"
    result = app.send_task("billing.total", (1, 2))
    wait_until(result.ready, "the job has ended")
    assert upnext.get_job(result.id).task_name == "billing.total"
    app.autodiscover_tasks()
    with pytest.raises(NotOffered, match="UPNEXT"):
        app.config_from_object("django.conf:settings", namespace="CELERY")


def test_a_task_may_wait_for_another():
    assert asks_another.delay(4).get(timeout=20) == 50


def test_an_async_task():
    assert adds_in_the_loop.delay(1, 2).get(timeout=20) == 3


def test_progress():
    result = shows_progress.delay()
    result.get(timeout=20)

    job = upnext.get_job(result.id)
    assert (job.progress, job.progress_message) == (25.0, "a quarter")


def test_a_number_as_rate_limit_is_that_many_a_second():
    rate = is_limited.definition.rate_limit

    assert rate is not None
    assert (rate.limit, rate.window_ms) == (600, 1000)


def test_chains_groups_and_chords():
    several = chain(group(add.s(1), add.s(2)), total.s())

    assert chain(add.s(1, 1), add.s(10), add.si(5)).delay().get(timeout=20) == 6
    assert group(add.s(n) for n in range(3)).delay().get(timeout=20) == [1, 2, 3]
    assert (add.s(1) | group(add.s(1), add.s(2)))().get(timeout=20) == [3, 4]
    assert [step.plan() for step in several.steps][1]["task"] == "billing.total"
    assert add.s(2).clone((1,)).args == (1, 2)
    assert signature(add, (3,), immutable=True).set(countdown=0.1).delay().get(timeout=20) == 4


def test_a_chain_that_breaks_sends_no_more():
    result = chain(add.s(1), fails.si("broke"), add.s(1)).delay()

    with pytest.raises(ValueError, match="broke"):
        result.get(timeout=20)


def test_a_chain_is_a_tree_of_jobs():
    result = chain(whoami.s(), whoami.si()).delay()

    _, _, root, *_ = result.get(timeout=20)

    assert root == result.id


@pytest.mark.parametrize(
    "call",
    [
        lambda: add.apply_async((1,), link=add.s(1)),
        lambda: add.apply_async((1,), routing_key="x"),
        lambda: add.apply_async((1,), serializer="pickle"),
        lambda: add.apply(),
        lambda: add.s(1).set(link_error=add.s(1)).delay(),
        lambda: signature("tests.add"),
    ],
)
def test_what_has_no_equal_is_refused(call: Any):
    with pytest.raises(NotOffered):
        call()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(TypeError, match="chord needs a body"):
        chord([add.s(1)])()
    with pytest.raises(TypeError, match="no call to be sent"):
        chain("add")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="add"):
        add.delay()
    with pytest.raises(ValueError, match="no timezone"):
        add.apply_async((1,), eta=datetime(2030, 1, 1))  # noqa: DTZ001 - the point of it
    with pytest.raises(upnext.UnknownQueue):
        add.apply_async((1,), queue="nobody-serves-it")


def test_it_imports_without_django_and_without_celery():
    code = (
        "import sys; sys.modules['celery'] = None\n"
        "import upnext_django.contrib.celery, upnext_django.contrib.aioq.backends\n"
        "assert 'django.db.models' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
