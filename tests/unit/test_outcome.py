from typing import Any

import msgspec
import pytest

from upnext_django.core import outcome
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import ArgumentError, EncryptionError, Retry, TaskTimeoutError

NOW = 1_700_000_000_000


def task(**options: Any) -> TaskDefinition:
    def work(): ...

    return TaskDefinition.build(work, queue="q", **{"retry_jitter": 0, **options})


def fail(error: BaseException, *, attempt: int = 1, max_attempts: int = 3, **options: Any) -> outcome.Outcome:
    return outcome.failed(
        task(**options), error, attempt=attempt, max_attempts=max_attempts, started_ms=NOW, random=lambda: 0.0
    )


def test_a_result_goes_along_as_it_is():
    ended = outcome.completed(task(), attempt=2, started_ms=NOW, result=b'{"a":1}')

    assert (ended.status, ended.delay_ms) == (JobStatus.COMPLETE, None)
    assert msgspec.json.encode(ended.data) == b'{"attempt":2,"started":%d,"result":{"a":1}}' % NOW


def test_no_result_is_not_the_result_none():
    without = outcome.completed(task(), attempt=1, started_ms=NOW, result=None)
    none = outcome.completed(task(), attempt=1, started_ms=NOW, result=b"null")

    assert without.data.result is msgspec.UNSET
    assert none.data.result == msgspec.Raw(b"null")


def test_a_failure_is_retried_while_attempts_are_left():
    delays = [fail(ValueError("no"), attempt=n).delay_ms for n in (1, 2)]
    last = fail(ValueError("no"), attempt=3)

    assert delays == [1000, 2000]
    assert (last.status, last.delay_ms) == (JobStatus.FAILED, None)


def test_what_cannot_be_decrypted_is_retried_whatever_retry_on_says():
    error = EncryptionError("no key")

    assert fail(error, retry_on=[OSError]).status is JobStatus.RETRYING
    assert fail(error, retry_on=[OSError], attempt=3).status is JobStatus.FAILED
    assert fail(error, no_retry_on=[EncryptionError]).status is JobStatus.FAILED


def test_a_retry_tells_its_error_too():
    ended = fail(ValueError("no"))

    assert ended.status is JobStatus.RETRYING
    assert (ended.data.error_type, ended.data.error) == ("ValueError", "ValueError: no")
    assert ended.data.traceback
    assert (ended.data.attempt, ended.data.started_ms) == (1, NOW)


@pytest.mark.parametrize(
    ("options", "error", "status"),
    [
        ({}, ValueError(), JobStatus.RETRYING),
        ({}, SystemExit(1), JobStatus.RETRYING),
        ({"retry_on": (OSError,)}, ConnectionError(), JobStatus.RETRYING),
        ({"retry_on": (OSError,)}, ValueError(), JobStatus.FAILED),
        ({"no_retry_on": (ValueError,)}, ValueError(), JobStatus.FAILED),
        ({"no_retry_on": (ValueError,)}, OSError(), JobStatus.RETRYING),
        ({"retry_on": (OSError,), "no_retry_on": (ConnectionError,)}, ConnectionError(), JobStatus.FAILED),
        ({"no_retry_on": (Exception,)}, Retry(), JobStatus.RETRYING),
        ({"retry_on": (OSError,)}, Retry(), JobStatus.RETRYING),
        ({}, ArgumentError("no", argument="return value"), JobStatus.FAILED),
        ({"retry_on": (ArgumentError,)}, ArgumentError("no", argument="x"), JobStatus.RETRYING),
    ],
)
def test_the_options_say_which_errors_are_retried(options, error, status):
    assert fail(error, **options).status is status


@pytest.mark.parametrize(
    ("after", "delay_ms"), [(30, 30_000), (0, 0), (-5, 0), (0.0001, 1), (None, 2000), (float("nan"), 2000)]
)
def test_a_requested_retry_comes_when_it_was_asked_for(after, delay_ms):
    assert fail(Retry(after=after), attempt=2).delay_ms == delay_ms


def test_a_retry_in_a_thousand_years_is_a_number_still():
    assert fail(Retry(after=float("inf"))).delay_ms == 10 * 365 * 86_400_000


def test_a_requested_retry_spends_an_attempt():
    assert fail(Retry(after=1), attempt=3).status is JobStatus.FAILED


def test_a_requested_retry_may_say_how_many_there_are():
    assert fail(Retry(max_retries=3), attempt=3).status is JobStatus.RETRYING
    assert fail(Retry(max_retries=3), attempt=4).status is JobStatus.FAILED
    assert fail(Retry(max_retries=0), attempt=1).status is JobStatus.FAILED


def test_a_timeout_that_the_options_name_is_not_retried():
    ended = outcome.timed_out(
        task(no_retry_on=(TaskTimeoutError,)), timeout_s=30, attempt=1, max_attempts=2, started_ms=NOW
    )

    assert ended.status is JobStatus.FAILED


def test_a_timeout_is_retried_like_a_failure():
    def after(attempt: int) -> outcome.Outcome:
        return outcome.timed_out(
            task(no_retry_on=(Exception,)),
            timeout_s=30,
            attempt=attempt,
            max_attempts=2,
            started_ms=NOW,
            random=lambda: 0.0,
        )

    assert (after(1).status, after(1).delay_ms) == (JobStatus.RETRYING, 1000)
    assert after(2).status is JobStatus.FAILED
    assert after(2).data == SettleData(
        attempt=2, started_ms=NOW, error_type="TaskTimeoutError", error="30.0 seconds", timed_out=True
    )


def test_a_cancelled_attempt_says_why_if_somebody_did():
    ended = outcome.cancelled(attempt=1, started_ms=NOW, error="by ann")

    assert (ended.status, ended.delay_ms, ended.data.error) == (JobStatus.CANCELLED, None, "by ann")


def test_a_lost_worker_is_told_as_such():
    data = outcome.worker_lost(attempt=2, started_ms=NOW, crashes=4)

    assert data.error_type == "WorkerLost"
    assert data.error is not None
    assert data.error.startswith("WorkerLost: the worker died 4 times")
