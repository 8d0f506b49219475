"""What a job knows of itself."""

from __future__ import annotations

from typing import Any

import pytest

import upnext_django as upnext
from tests.fundamentals import contexts

TASKS = "tests.fundamentals.contexts"

pytestmark = pytest.mark.usefixtures("worker")

EVERYWHERE = pytest.mark.parametrize(
    "task",
    [contexts.look_async, contexts.look_sync, contexts.look_in_process],
    ids=["async", "thread", "process"],
)


@EVERYWHERE
async def test_every_field(task: upnext.TaskHandle[..., Any]):
    result = await task.options(meta={"tenant": "a"}).wait()

    seen = result.value
    assert seen.pop("worker_id")
    assert seen == {
        "job_id": result.job_id,
        "parent_id": None,
        "root_id": result.job_id,
        "attempt": 1,
        "max_attempts": 3,
        "function": task.name,
        "function_name": "Look around",
        "is_cancelled": False,
        "meta": {"tenant": "a"},
    }


@EVERYWHERE
async def test_progress_is_clamped(task: upnext.TaskHandle[..., Any]):
    result = await task.wait()

    job = await upnext.aget_job(result.job_id)
    assert (job.progress, job.progress_message) == (100, "more than all")


async def test_of_many_reports_the_last_one_is_kept():
    result = await contexts.reports.wait()

    job = await upnext.aget_job(result.job_id)
    assert (job.progress, job.progress_message) == (0, "back to nothing")


async def test_ctx_as_the_first_argument_reads_as_a_mapping():
    result = await contexts.with_ctx.wait("hello")

    assert result.value == {"message": "HELLO", "same": True, "worker_id": True, "status": "active"}


async def test_an_annotated_context():
    result = await contexts.with_annotated.wait(message="hello")

    assert result.value == [result.job_id, "hello"]


@pytest.mark.parametrize("task", [contexts.goes_on, contexts.goes_on_in_process], ids=["thread", "process"])
async def test_a_checkpoint_is_there_at_the_next_attempt(task: upnext.TaskHandle[[], list[Any]]):
    result = await task.wait()

    assert result.value == [{"done": 2, "before": {"done": 1, "before": None}}, 3]


def test_outside_of_a_job_there_is_none():
    with pytest.raises(RuntimeError):
        upnext.get_current_context()


@pytest.mark.parametrize(
    "task",
    [contexts.async_parent, contexts.sync_parent],
    ids=["async", "thread"],
)
async def test_a_submit_from_inside_a_job_has_that_job_as_its_parent(task: upnext.TaskHandle[..., Any]):
    result = await task.wait()

    pair = [result.job_id, result.job_id]
    assert result.value == {"submitted": pair, "waited": pair, "many": [pair]}
