"""A result that is cached is not computed again."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.fundamentals.caches import (
    Report,
    circle,
    circle_in_thread,
    failing,
    hooked,
    hooks_called,
    in_thread,
    limited,
    report,
    short,
    slow,
    unsaved,
)

TASKS = "tests.fundamentals.caches"

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_job_whose_key_is_cached_completes_without_being_run():
    first = await report.wait(1)
    second = await report.wait(user_id=1, note="not in the key")

    assert first.value == second.value == Report(1, run=1)
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert (second.status, second.attempts, second.started_at) == ("complete", 0, None)
    assert first.job_id != second.job_id
    assert (await upnext.aget_job(second.job_id)).cache_hit


async def test_each_key_has_a_value_of_its_own():
    results = await upnext.gather(report.wait(2), report.wait(3))

    assert [result.value.user_id for result in results] == [2, 3]


async def test_who_comes_while_a_value_is_computed_waits_for_it():
    results = await upnext.gather(slow.wait("together") for _ in range(20))

    assert {result.value for result in results} == {1}
    assert [result.cache_hit for result in results].count(False) == 1


async def test_a_value_is_forgotten_after_its_ttl():
    result = await short.wait("short")
    assert result.value == 1

    while (result := await short.wait("short")).cache_hit:
        assert result.value == 1

    assert result.value == 2


async def test_a_failure_is_not_cached_and_the_next_one_runs():
    first = await failing.submit("failing")
    second = await failing.submit("failing")

    with pytest.raises(upnext.TaskExecutionError, match="not yet"):
        await first.result()

    assert (await second.result()).value == 2
    assert (await failing.wait("failing")).cache_hit


async def test_a_value_can_be_dropped():
    await slow.wait("dropped")

    assert await slow.invalidate_cache("dropped")
    assert not await slow.invalidate_cache(name="dropped")
    assert (await slow.wait("dropped")).value == 2


def test_the_sync_twins():
    assert in_thread.wait_sync("sync").value == 1
    assert in_thread.wait_sync("sync").cache_hit
    assert in_thread.submit("sync").value_sync() == 1

    assert in_thread.invalidate_cache_sync("sync")
    assert in_thread.wait_sync("sync").value == 2


async def test_an_unsaved_result_is_cached_for_those_who_wait():
    await unsaved.wait("unsaved")
    hit = await unsaved.wait("unsaved")

    assert (hit.value, hit.cache_hit) == (1, True)
    assert (await upnext.aget_job(hit.job_id)).result is None


async def test_no_hook_is_called_for_a_hit():
    await hooked.wait("hooked")
    await hooked.wait("hooked")

    assert (await hooks_called.wait()).value == [1, 1]


async def test_a_job_that_would_wait_for_itself_is_told_so():
    for task in (circle, circle_in_thread):
        assert "for ever: of one cache_key one job runs" in (await task.wait("circle")).value


async def test_a_hit_takes_no_place_of_a_limit():
    results = await upnext.gather(limited.wait("limited") for _ in range(10))

    assert {result.value for result in results} == {1}


async def test_what_is_no_call_of_the_task_cannot_be_dropped():
    with pytest.raises(TypeError, match=r"slow\(\) missing a required argument"):
        await slow.invalidate_cache()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="has no cache_key"):
        await hooks_called.invalidate_cache()
