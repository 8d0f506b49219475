"""The examples of the workflows guide do what the guide says."""

from __future__ import annotations

import pytest

from tests.fundamentals import seed_workflows as guide

TASKS = "tests.fundamentals.seed_workflows"

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_pipeline_of_two_tasks():
    assert (await guide.pipeline.wait(source="db")).value == {
        "transformed": True,
        "source": "db",
        "rows": 100,
    }


async def test_every_job_knows_its_parent_and_its_root():
    result = await guide.parent_task.wait()

    child, grandchild = result.value
    assert result.parent_id is None
    assert result.root_id == result.job_id
    assert child == {"job": child["job"], "parent": result.job_id, "root": result.job_id}
    assert grandchild == {"job": grandchild["job"], "parent": child["job"], "root": result.job_id}
    assert len({result.job_id, child["job"], grandchild["job"]}) == 3


async def test_a_failing_child_raises_in_its_parent_which_may_recover():
    result = await guide.orchestrator.wait()

    assert result.value == {"status": "degraded", "error": "ValueError: no such thing: x"}


async def test_a_fallback_to_another_task():
    result = await guide.resilient_pipeline.wait()

    assert result.value["value"] == "DATA OF THE SECONDARY"


async def test_fan_out_with_a_generator():
    result = await guide.fan_out_example.wait(user_ids=["a", "b", "c"])

    assert result.value == [{"user": "a"}, {"user": "b"}, {"user": "c"}]


async def test_map_tasks_in_a_task():
    result = await guide.batch_process.wait(items=[{"number": n} for n in range(30)])

    assert result.value == [2 * n for n in range(30)]


async def test_flow_makes_a_tree_of_three_levels():
    result = await guide.flow.wait(segments=3)

    assert result.value == {
        "segments": [
            {"segment": s, "steps": [{"segment": s, "step": i} for i in (1, 2, 3)]} for s in (1, 2, 3)
        ]
    }
