"""Of jobs with one idempotency key only one is alive."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.fundamentals.holding import paused
from tests.fundamentals.keys import charge

TASKS = "tests.fundamentals.keys"

pytestmark = pytest.mark.usefixtures("worker")


async def test_the_live_job_of_a_key_is_given_again():
    with paused("keys"):
        first = await charge.options(key="order-1").submit(1)
        second = await charge.submit_idempotent("order-1", 2)
        third = await charge.submit_idempotent("order-2", 3)

    results = await upnext.gather(first.result(), second.result(), third.result())

    assert [result.value for result in results] == [1, 1, 3]
    assert results[0].job_id == results[1].job_id == first.job_id


async def test_an_id_that_lost_leads_to_the_winner():
    with paused("keys"):
        winner = charge.options(key="order-3").submit(1)
        loser = charge.submit_idempotent("order-3", 2)
        lost_id = loser.job_id
        await winner
        await loser

    job = await upnext.aget_job(lost_id)

    assert winner.job_id in (job.id, job.duplicate_of)


async def test_a_key_is_free_when_its_job_has_ended():
    first = await charge.wait_idempotent("order-4", 1)
    second = await charge.wait_idempotent("order-4", 2)

    assert (first.value, second.value) == (1, 2)
    assert first.job_id != second.job_id


def test_the_sync_twins():
    with paused("keys"):
        charge.options(key="order-5").submit_sync(1)
        second = charge.submit_idempotent_sync("order-5", order_id=2)

    assert second.value_sync() == 1
    assert charge.wait_idempotent_sync("order-5", 3).value == 3
    assert charge.submit_idempotent("order-6", 4).value_sync() == 4
