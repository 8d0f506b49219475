"""Hooks are called as their task starts, succeeds, fails, is retried and ends."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest

from tests.fundamentals.hooks import (
    KINDS,
    WHERE,
    arrived,
    fails_at_first,
    with_broken_hooks,
    with_context,
)
from tests.fundamentals.hooks import TASKS as HOOKED
from tests.waiting import wait_until
from tests.workers import RunningWorker
from upnext_django import DefinitionError, TaskExecutionError, task

TASKS = "tests.fundamentals.hooks"


async def test_hooks_of_a_job_that_succeeds_at_its_second_attempt(worker: RunningWorker):
    before = len(worker.printed())

    await fails_at_first.wait(always=False)

    worker.wait_for("[complete]")
    said = called(worker, before, 5)
    assert said == ["start", "retry", "start", "success", "complete"]


async def test_hooks_of_a_job_that_fails_for_good(worker: RunningWorker):
    before = len(worker.printed())

    with pytest.raises(TaskExecutionError):
        await fails_at_first.wait(always=True)

    worker.wait_for("[failure]")
    await with_context.wait()  # whatever the hooks of the job before had to say is said
    said = [line for line in called(worker, before, 5) if not line.startswith("hook of")]
    assert said == ["start", "retry", "start", "failure", "complete"]


async def test_a_hook_may_take_the_context(worker: RunningWorker):
    result = await with_context.wait()

    worker.wait_for(f"[hook of {result.job_id}]")


async def test_a_hook_that_raises_is_logged_and_changes_nothing(worker: RunningWorker):
    result = await with_broken_hooks.wait()

    assert (result.value, result.status) == ("fine", "complete")
    worker.wait_for("RuntimeError: this hook is broken")


def called(worker: RunningWorker, begin: int, count: int) -> list[str]:
    """Return the hooks that were called since ``begin``, once there are so many."""

    def said() -> list[str]:
        lines = re.findall(r"\[([^\]\n]+)\]\n", worker.printed()[begin:])
        return [line for line in lines if not line.startswith(("cron", "event"))]

    wait_until(lambda: len(said()) >= count, f"{count} hooks are called")
    return said()


EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
EVERYWHERE = pytest.mark.parametrize("where", WHERE)


@EVERYWHERE
@EVERY_KIND
@pytest.mark.parametrize(
    ("how", "hooks"),
    [
        ("well", ["start", "success", "complete"]),
        ("fail", ["start", "retry", "start", "failure", "complete"]),
        ("time out", ["start", "retry", "start", "failure", "complete"]),
        ("cancel", ["start", "complete"]),
    ],
)
def test_hooks_of_any_kind_are_called_everywhere(
    how: str, hooks: list[str], kind: str, where: str, worker: RunningWorker
):
    task = HOOKED[kind, where].options(
        retries=1 if how in ("fail", "time out") else 0, timeout=1 if how == "time out" else 60
    )
    begin = len(worker.printed())

    future = task.submit_sync("hang" if how in ("time out", "cancel") else how)
    if how == "cancel":
        called(worker, begin, 1)
        future.cancel_sync()
    with nullcontext() if how == "well" else pytest.raises(TaskExecutionError):
        future.result_sync(timeout=20)

    shown = f" {future.job_id}" if "ctx" in kind else ""
    assert called(worker, begin, len(hooks)) == [f"{name}{shown}" for name in hooks]


async def test_handlers_of_events_have_hooks(worker: RunningWorker):
    (future,) = await arrived.send()
    await future.result(timeout=10)

    worker.wait_for(f"[event end {future.job_id}]")
    assert "[event start]" in worker.printed()


def test_crons_have_hooks(worker: RunningWorker):
    worker.wait_for("[cron success]")
    worker.wait_for("[cron end]")


def test_a_job_that_never_ran_calls_none(worker: RunningWorker):
    begin = len(worker.printed())
    future = HOOKED["ctx", "thread"].options(delay=60).submit_sync("well")

    assert future.cancel_sync()

    HOOKED["ctx", "thread"].wait_sync("well")
    assert future.job_id not in " ".join(called(worker, begin, 3))


@pytest.mark.parametrize(
    "hook",
    [lambda ctx, error: None, lambda *, ctx: None, "shop.tasks.alert"],
    ids=["two arguments", "a keyword", "a name"],
)
def test_a_hook_that_could_not_be_called_is_refused(hook: object):
    with pytest.raises(DefinitionError, match=r"on_failure=.* is a function, sync or async"):
        task(on_failure=hook)(lambda: None)  # type: ignore[call-overload]
