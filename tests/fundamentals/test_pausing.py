"""Pause and resume: what is queued meanwhile stays, whatever brought it, and runs at the resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fundamentals.pausing import (
    double,
    each_second,
    first_handler,
    happened,
    hold,
    not_paused,
    other_handler,
    second_time,
)
from tests.waiting import wait_until
from tests.workers import running_worker
from upnext_django.connection import get_broker
from upnext_django.declare.task import TaskHandle
from upnext_django.operations import control

TASKS = "tests.fundamentals.pausing"
QUEUE = "pausing"
BOTH = ["function", "queue"]

pytestmark = pytest.mark.usefixtures("worker")

Pause = Callable[[str, TaskHandle[Any, Any]], Callable[[], bool]]


@pytest.fixture
def pause() -> Iterator[Pause]:
    """Give what pauses a function or its queue, and returns what resumes it."""

    def paused(what: str, task: TaskHandle[Any, Any]) -> Callable[[], bool]:
        if what == "queue":
            control.pause_queue(QUEUE)
            return lambda: control.resume_queue(QUEUE)
        control.pause_function(task.name)
        return lambda: control.resume_function(task.name)

    yield paused
    control.resume_queue(QUEUE)
    for function in control.paused_functions():
        control.resume_function(function)


def waiting(task: TaskHandle[Any, Any]) -> int:
    lines, _ = get_broker().inspector.lines(QUEUE, function=task.name)
    return sum(line.waiting for line in lines)


def others_go_on() -> None:
    """See a job through that came later: the workers had the time to take what came before."""
    assert not_paused.submit().value_sync(timeout=10) == "ran"


@pytest.mark.parametrize("what", BOTH)
def test_jobs_submitted_meanwhile_stay_and_run_at_the_resume_over_several_workers(
    what: str, pause: Pause, project: str, valkey_url: str, tmp_path: Path
):
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        redis_url=valkey_url,
        namespace=project,
        tasks=TASKS,
        log=tmp_path / "second.log",
    ):
        resume = pause(what, double)
        futures = [double.submit(x) for x in range(30)]
        others_go_on()
        states = {future.status_sync() for future in futures}

        resume()
        results = [future.result_sync(timeout=10) for future in futures]

    assert states == {"queued"}
    assert [result.value for result in results] == [2 * x for x in range(30)]
    assert {result.attempts for result in results} == {1}


@pytest.mark.parametrize("what", BOTH)
def test_what_runs_ends_as_ever(what: str, pause: Pause, tmp_path: Path):
    gate = tmp_path / "gate"
    running = hold.submit(str(gate))
    wait_until(lambda: running.status_sync() == "active", "the job runs")

    pause(what, hold)
    gate.touch()

    assert running.value_sync(timeout=10) == "held"


@pytest.mark.parametrize("what", BOTH)
def test_a_delayed_job_that_falls_due_stays(what: str, pause: Pause):
    resume = pause(what, double)
    future = double.options(delay=0.2).submit(4)
    wait_until(lambda: future.status_sync() == "queued", "the job is due")
    others_go_on()
    state = future.status_sync()

    resume()

    assert state == "queued"
    assert future.value_sync(timeout=10) == 8


@pytest.mark.parametrize("what", BOTH)
def test_a_retry_that_falls_due_stays(what: str, pause: Pause, tmp_path: Path):
    gate = tmp_path / "gate"
    future = second_time.submit(str(gate))
    wait_until(lambda: future.status_sync() == "active", "the first attempt runs")
    resume = pause(what, second_time)
    gate.touch()
    wait_until(lambda: future.status_sync() == "queued", "the retry is due")
    others_go_on()
    state = future.status_sync()

    resume()

    assert state == "queued"
    assert future.value_sync(timeout=10) == 2


def test_of_an_event_only_the_paused_handler_waits(pause: Pause):
    resume = pause("function", first_handler)
    futures = {future.definition.function: future for future in happened.send_sync(x=3)}
    other = futures[other_handler.name].value_sync(timeout=10)
    others_go_on()
    state = futures[first_handler.name].status_sync()

    resume()

    assert (other, state) == (3, "queued")
    assert futures[first_handler.name].value_sync(timeout=10) == 3


@pytest.mark.parametrize("what", BOTH)
def test_the_ticks_of_a_cron_become_jobs_that_wait(what: str, pause: Pause):
    resume = pause(what, each_second)
    wait_until(lambda: waiting(each_second) >= 3, "three ticks wait", timeout=20)

    resume()

    wait_until(lambda: waiting(each_second) == 0, "they have run")


@pytest.mark.parametrize("what", BOTH)
def test_a_job_cancelled_meanwhile_never_runs(what: str, pause: Pause):
    resume = pause(what, double)
    future = double.submit(5)

    cancelled = future.cancel_sync()
    resume()
    others_go_on()

    assert cancelled
    assert future.status_sync() == "cancelled"


@pytest.mark.parametrize("what", BOTH)
def test_a_worker_that_starts_meanwhile_keeps_to_it(
    what: str, pause: Pause, project: str, valkey_url: str, tmp_path: Path
):
    resume = pause(what, double)
    future = double.submit(6)
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        redis_url=valkey_url,
        namespace=project,
        tasks=TASKS,
        log=tmp_path / "late.log",
    ):
        for _ in range(5):
            others_go_on()
    state = future.status_sync()

    resume()

    assert state == "queued"
    assert future.value_sync(timeout=10) == 12


def test_a_function_is_paused_in_every_queue_that_it_may_be_sent_to(pause: Pause):
    resume = pause("function", double)
    future = double.options(queue="apart").submit(7)
    others_go_on()
    state = future.status_sync()

    resume()

    assert state == "queued"
    assert future.value_sync(timeout=10) == 14
