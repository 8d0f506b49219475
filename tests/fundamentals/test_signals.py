"""Django signals tell what becomes of jobs, in the process that runs them."""

from __future__ import annotations

import re

import pytest

import upnext_django as upnext
from tests.fundamentals import signals
from tests.waiting import wait_until
from tests.workers import RunningWorker

TASKS = "tests.fundamentals.signals"

EVERYWHERE = pytest.mark.parametrize(
    "task",
    [signals.in_loop, signals.in_thread, signals.in_process],
    ids=["async", "thread", "process"],
)


def heard(worker: RunningWorker, job_id: str, last: str) -> list[str]:
    """Return what the receivers said of a job, once ``last`` is among it."""

    def said() -> list[str]:
        return re.findall(rf"<{job_id} (.*)>\n", worker.printed())

    wait_until(lambda: last in said(), f"{last!r} is heard of {job_id}", timeout=20)
    return said()


@EVERYWHERE
def test_a_job_that_succeeds(task: upnext.TaskHandle[[str], str], worker: RunningWorker):
    job_id = task.wait_sync("well").job_id

    name = task.function_name
    said = heard(worker, job_id, "heard by an async receiver")
    assert said[0] == f"{name} started ()"
    assert sorted(said[1:]) == ["heard by an async receiver", f"{name} succeeded (result='well')"]


@EVERYWHERE
def test_a_job_that_is_retried(task: upnext.TaskHandle[[str], str], worker: RunningWorker):
    job_id = task.options(retries=1).wait_sync("retry").job_id

    name = task.function_name
    error = "error='ValueError: not yet', error_type='ValueError', delay=0.01"
    said = heard(worker, job_id, f"{name} succeeded (result='retry')")
    assert said[:3] == [f"{name} started ()", f"{name} retried ({error})", f"{name} started ()"]


@EVERYWHERE
def test_a_job_that_fails(task: upnext.TaskHandle[[str], str], worker: RunningWorker):
    future = task.submit_sync("fail")
    with pytest.raises(upnext.TaskExecutionError):
        future.result_sync(timeout=10)

    last = f"{task.function_name} failed (error='ValueError: no', error_type='ValueError')"
    assert heard(worker, future.job_id, last) == [f"{task.function_name} started ()", last]


@EVERYWHERE
def test_a_job_that_is_cancelled(task: upnext.TaskHandle[[str], str], worker: RunningWorker):
    future = task.submit_sync("hang")
    heard(worker, future.job_id, f"{task.function_name} started ()")

    future.cancel_sync()

    last = f"{task.function_name} cancelled ()"
    assert heard(worker, future.job_id, last) == [f"{task.function_name} started ()", last]


@EVERYWHERE
def test_a_job_that_runs_into_its_timeout(task: upnext.TaskHandle[[str], str], worker: RunningWorker):
    future = task.options(timeout=1).submit_sync("hang")
    with pytest.raises(upnext.TaskTimeoutError):
        future.result_sync(timeout=20)

    name = task.function_name
    last = f"{name} failed (error='1.0 seconds', error_type='TaskTimeoutError')"
    said = heard(worker, future.job_id, last)
    assert said == [f"{name} started ()", f"{name} timed out (error='1.0 seconds')", last]


def test_a_job_whose_process_was_killed_at_its_timeout(worker: RunningWorker):
    future = signals.never_looks_up.submit_sync()
    with pytest.raises(upnext.TaskTimeoutError):
        future.result_sync(timeout=20)

    last = "never_looks_up failed (error='2.0 seconds', error_type='TaskTimeoutError')"
    assert "never_looks_up timed out (error='2.0 seconds')" in heard(worker, future.job_id, last)


def test_a_receiver_that_raises_is_logged_and_changes_nothing(worker: RunningWorker):
    assert signals.in_thread.wait_sync("well").value == "well"

    worker.wait_for("raised LookupError('this receiver is broken')")
