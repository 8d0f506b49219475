"""What is kept of a return value."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.fundamentals.results import new_name, not_saved, saved
from upnext_django.declare.registry import registry

TASKS = "tests.fundamentals.results"

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_waiter_gets_a_value_that_is_not_saved_and_who_asks_later_does_not():
    result = await not_saved.wait()

    assert result.value == "only for who waits"
    assert (await upnext.aget_job(result.job_id)).result is None
    assert (await upnext.aget_job(result.job_id)).status == "complete"


async def test_a_saved_value_is_there_for_who_asks_later():
    result = await saved.wait()

    assert (await upnext.aget_job(result.job_id)).result == "for an hour"


async def test_jobs_of_an_earlier_name_are_taken_over():
    async def old_name(x: int) -> int:
        raise AssertionError("the code of the earlier name is gone")

    old_name.__module__, old_name.__qualname__ = new_name.__module__, "old_name"
    with registry.isolated():  # no process knows both names
        earlier = upnext.Worker("results", concurrency=4).task(old_name)

    assert earlier.name == "tests.fundamentals.results.old_name"
    assert (await earlier.wait(1)).value == 2
