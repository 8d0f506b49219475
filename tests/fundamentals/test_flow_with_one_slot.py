"""A parent that waits holds no slot: trees complete with a single slot."""

from __future__ import annotations

from typing import Any

import pytest

import upnext_django as upnext
from tests.fundamentals.seed_workflows import flow
from tests.fundamentals.slots import deep, sync_flow, wide

TASKS = "tests.fundamentals.slots"
OPTIONS = ["--concurrency", "1"]

pytestmark = pytest.mark.usefixtures("worker")

WHOLE = {
    "segments": [{"segment": s, "steps": [{"segment": s, "step": i} for i in (1, 2, 3)]} for s in (1, 2, 3)]
}


@pytest.mark.parametrize("task", [flow, sync_flow], ids=["async", "sync"])
async def test_one_flow(task: upnext.TaskHandle[..., Any]):
    assert (await task.wait(segments=3)).value == WHOLE


@pytest.mark.parametrize("task", [flow, sync_flow], ids=["async", "sync"])
async def test_ten_flows_at_once(task: upnext.TaskHandle[..., Any]):
    results = await upnext.gather(task.wait(segments=3) for _ in range(10))

    assert [result.value for result in results] == [WHOLE] * 10


async def test_a_deep_tree():
    assert (await deep.wait(30)).value == 30


async def test_a_wide_tree():
    assert (await wide.wait(depth=3, width=4)).value == 64
