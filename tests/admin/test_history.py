"""operations.history: reading jobs that were."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from tests.admin.rows import a_job, a_log_line, an_attempt, job_id
from upnext_django.operations import history
from upnext_django.operations.reader import HistoryReader

pytestmark = pytest.mark.django_db


def test_attempts_and_logs_are_the_newest_in_their_order() -> None:
    job = a_job(1)
    for number in range(1, 6):
        an_attempt(job, number)
        a_log_line(job, number, f"line {number}")

    assert [one.token for one in history.attempts(job.pk, limit=3)] == [3, 4, 5]
    assert [one.message for one in history.logs(job.pk, limit=2)] == ["line 4", "line 5"]


def test_the_history_answers_for_a_job_that_left_redis() -> None:
    a_job(1, max_attempts=4, attempts=2, result={"paid": True}, meta={"tenant": 3})

    job = HistoryReader().job(job_id(1))

    assert job is not None
    assert (job.task_name, job.status, job.result, job.args) == (
        "shop.tasks.pay",
        "complete",
        {"paid": True},
        (1,),
    )
    assert (job.retries, job.max_retries, job.meta) == (1, 3, {"tenant": 3})


@pytest.mark.django_db(transaction=True)
async def test_the_history_answers_in_async_code() -> None:
    assert await HistoryReader().ajob(job_id(1)) is None

    await sync_to_async(connections.close_all)()
