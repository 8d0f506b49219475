"""What a worker does becomes rows."""

from __future__ import annotations

from typing import Any

import pytest
import redis

import upnext_django as upnext
from tests.django import tasks
from tests.waiting import wait_until
from upnext_django import TaskExecutionError
from upnext_django.models import (
    AttemptRecord,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    WorkerRecord,
)

pytestmark = pytest.mark.usefixtures("worker", "rows")


def ended_row(future: upnext.Future[Any]) -> JobRecord:
    """Return the job's row as soon as it says that the job has ended."""
    ended = JobRecord.objects.filter(id=future.job_id, completed_at__isnull=False)
    return wait_until(ended.first, "the job's row says that it has ended")  # type: ignore[return-value]


def test_a_job_that_needed_two_attempts():
    future = tasks.fails_at_first.options(meta={"tenant": "a"}).submit(7)
    future.result_sync(timeout=10)

    row = ended_row(future)

    assert (row.status, row.attempts, row.max_attempts, row.crashes) == ("complete", 2, 2, 0)
    assert (row.function, row.function_name) == ("tests.django.tasks.fails_at_first", "fails_at_first")
    assert (row.queue, row.kind, row.meta) == ("django-tests", "task", {"tenant": "a"})
    assert (row.arguments, row.result) == ({"args": [7], "kwargs": {}}, {"order": 7})
    assert (row.parent_id, row.root_id) == (None, row.id)
    assert row.started_at is not None
    assert row.completed_at is not None
    assert row.created_at <= row.started_at <= row.completed_at
    attempts = AttemptRecord.objects.filter(job_id=row.id).order_by("token")
    assert [(a.number, a.outcome, a.error) for a in attempts] == [
        (1, "failed", "ConnectionError: no answer about 7"),
        (2, "complete", None),
    ]
    assert "raise ConnectionError" in (attempts[0].traceback or "")


def test_a_failed_job_is_a_dead_letter():
    future = tasks.fails.submit()
    with pytest.raises(TaskExecutionError):
        future.result_sync(timeout=10)

    row = ended_row(future)

    assert (row.status, row.error_type, row.error) == ("failed", "ValueError", "ValueError: never")
    letter = DeadLetterRecord.objects.get(job_id=row.id)
    assert (letter.function, letter.error, letter.attempts) == (row.function, row.error, 1)


def test_logs_of_the_context_and_of_the_standard_library():
    future = tasks.logs.submit()
    future.result_sync(timeout=10)
    ended_row(future)

    lines = LogRecord.objects.filter(job_id=future.job_id).order_by("seq", "position")

    assert [(line.level, line.message) for line in lines] == [
        ("WARNING", "the card of ada was declined"),
        ("INFO", "asked the bank"),
    ]
    assert lines[1].data == {"bank": "b1", "tries": 3}


def test_progress_and_checkpoint():
    future = tasks.reports.submit()
    future.result_sync(timeout=10)

    row = ended_row(future)

    assert (row.progress, row.progress_message, row.checkpoint) == (40, "nearly half", {"page": 4})


def test_parent_and_root():
    future = tasks.parent.submit()
    child_id = future.value_sync(timeout=10)
    ended_row(future)

    child = JobRecord.objects.get(id=child_id)

    assert child.parent_id == child.root_id == future.job_id


def test_a_cancelled_job():
    future = tasks.greet.options(delay=60).submit("Ada")
    assert future.cancel_sync()

    row = ended_row(future)

    assert (row.status, row.attempts, row.started_at) == ("cancelled", 0, None)


def test_a_cache_hit_has_a_row_that_says_so(valkey_url: str, project: str):
    ran, hit = tasks.looked_up.submit(7), tasks.looked_up.submit(7)
    hit.result_sync(timeout=10)

    row = ended_row(hit)

    assert (row.status, row.cache_hit, row.result) == ("complete", True, {"order": 7})
    assert (row.attempts, row.started_at, row.worker_id) == (0, None, None)
    assert not AttemptRecord.objects.filter(job_id=row.id).exists()
    assert not ended_row(ran).cache_hit
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(f"un:{{{project}:django-tests}}:job:{hit.job_id}")
    assert upnext.get_job(hit.job_id).cache_hit


def test_workers_and_functions_have_rows():
    wait_until(
        FunctionRecord.objects.filter(function="tests.django.tasks.greet").exists, "the function has a row"
    )
    wait_until(WorkerRecord.objects.exists, "the worker has a row")


def test_a_job_is_read_from_its_row_when_redis_has_forgotten_it(valkey_url: str, project: str):
    future = tasks.greet.submit("Ada")
    future.result_sync(timeout=10)
    ended_row(future)
    with redis.Redis.from_url(valkey_url) as client:
        assert client.delete(f"un:{{{project}:django-tests}}:job:{future.job_id}")

    job = upnext.get_job(future.job_id)

    assert (job.id, job.status, job.result) == (future.job_id, "complete", "Hello, Ada!")
