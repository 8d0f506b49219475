"""gather, map_tasks, first_completed and submit_many, in and outside of jobs."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.fundamentals.gathering import counts, double, fails, gathers, gathers_in_sync_code, never_ends
from upnext_django import TaskExecutionError, TaskResult

TASKS = "tests.fundamentals.gathering"

pytestmark = pytest.mark.usefixtures("worker")


async def test_futures_give_values_and_waits_give_results():
    values = await upnext.gather(await double.submit(1), double.submit(2))
    results = await upnext.gather(double.wait(1), double.wait(2))

    assert values == [2, 4]
    assert all(isinstance(result, TaskResult) for result in results)
    assert [result.value for result in results] == [2, 4]


async def test_one_iterable_a_generator_or_nothing():
    assert await upnext.gather([double.submit(1), double.submit(2)]) == [2, 4]
    assert [r.value for r in await upnext.gather(double.wait(x) for x in range(3))] == [0, 2, 4]
    assert await upnext.gather([]) == []
    assert await upnext.gather() == []


async def test_one_failing_leaves_the_other_jobs_running():
    later = await double.options(delay=0.3).submit(5)

    with pytest.raises(TaskExecutionError, match="not 1"):
        await upnext.gather(later, fails.submit(1))

    assert await later.value() == 10


async def test_errors_may_be_results():
    results = await upnext.gather(double.submit(1), fails.submit(2), return_exceptions=True)

    assert results[0] == 2
    assert isinstance(results[1], TaskExecutionError)


async def test_map_tasks_gives_values_in_the_order_of_the_inputs():
    assert await upnext.map_tasks(double, [{"x": x} for x in range(25)]) == [2 * x for x in range(25)]
    assert await upnext.map_tasks(double, []) == []


async def test_map_tasks_has_at_most_so_many_jobs_at_once():
    seen = await upnext.map_tasks(counts, ({"number": n} for n in range(12)), concurrency=3)

    assert max(seen) <= 3


async def test_map_tasks_raises_what_a_job_raised():
    with pytest.raises(TaskExecutionError, match="not 1"):
        await upnext.map_tasks(fails, [{"x": 1}, {"x": 1}])


async def test_the_first_to_complete_wins_and_the_others_are_cancelled():
    loser = await never_ends.submit()

    first = await upnext.first_completed(loser, double.submit(4))

    assert first == 8
    with pytest.raises(TaskExecutionError) as caught:
        await loser.result(timeout=10)
    assert caught.value.status == "cancelled"


async def test_the_first_may_be_one_that_fails():
    with pytest.raises(TaskExecutionError, match="not 3"):
        await upnext.first_completed(never_ends.wait(), fails.wait(3))


async def test_at_the_timeout_all_are_cancelled():
    futures = [await never_ends.submit(), await never_ends.submit()]

    with pytest.raises(TimeoutError):
        await upnext.first_completed(*futures, timeout=0.2)

    for future in futures:
        with pytest.raises(TaskExecutionError) as caught:
            await future.result(timeout=10)
        assert caught.value.status == "cancelled"


async def test_submit_many_in_async_code():
    futures = await upnext.submit_many(double, [{"x": x} for x in range(450)])

    assert len({future.job_id for future in futures}) == 450
    assert await upnext.gather(futures) == [2 * x for x in range(450)]


def test_submit_many_in_sync_code_has_sent_when_it_returns():
    futures = upnext.submit_many(double, [{"x": x} for x in range(250)])

    assert [future.value_sync() for future in futures] == [2 * x for x in range(250)]


async def test_submit_many_takes_positional_arguments_as_tuples_too():
    assert await upnext.gather(await upnext.submit_many(double, [(1,), (2,)])) == [2, 4]


async def test_inside_of_an_async_job():
    assert (await gathers.wait()).value == {
        "futures": [0, 2, 4],
        "one iterable": [0, 2, 4],
        "results": [0, 2, 4],
        "mixed": ["TaskResult", "TaskExecutionError"],
    }


async def test_inside_of_a_sync_job():
    assert (await gathers_in_sync_code.wait()).value == {
        "futures": [0, 2, 4],
        "one iterable": [0, 2, 4],
        "mixed": ["2", "TaskExecutionError"],
        "map": [0, 2, 4, 6, 8],
        "many": [0, 2, 4, 6, 8],
        "first": 8,
    }


def test_the_sync_twins_outside_of_a_job():
    futures = [double.submit(x) for x in range(3)]

    assert upnext.gather_sync(futures) == [0, 2, 4]
    assert upnext.map_tasks_sync(double, [{"x": 1}]) == [2]
    assert upnext.first_completed_sync(never_ends.submit(), double.submit(4)) == 8
