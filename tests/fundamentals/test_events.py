"""What is sent to an event reaches the handlers of every worker, whoever sends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction

import upnext_django as upnext
from tests.fundamentals.events import confirm, placed, sell, sell_in_sync_code
from tests.fundamentals.holding import paused
from tests.waiting import wait_until
from tests.workers import RunningWorker, running_worker
from upnext_django.connection import get_broker

TASKS = "tests.fundamentals.events"

CHILD = {"reserved": "A1", "shelf": 7, "is_child": True}
ALL = ["confirmed A1", ["order_id"], [True], {**CHILD, "is_child": False}]


@pytest.fixture(scope="module", autouse=True)
def warehouse(
    worker: RunningWorker, project: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWorker]:
    """Give a second worker, with handlers that neither this process nor the first worker has."""
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        redis_url=valkey_url,
        namespace=project,
        tasks="tests.fundamentals.events_elsewhere",
        log=tmp_path_factory.mktemp("warehouse") / "worker.log",
    ) as running:
        handlers = get_broker().handlers
        wait_until(lambda: len(handlers.of_sync("order.shipped")) == 1, "the warehouse announces")
        yield running


async def test_async_code_sends_to_all_handlers():
    futures = await placed.send(order_id="A1")

    assert await upnext.gather(futures) == ALL
    results = [await future.result() for future in futures]
    assert [result.function_name for result in results] == ["confirm", "audit", "Booking", "reserve"]


def test_sync_code_sends_to_all_handlers():
    assert upnext.gather_sync(placed.send_sync(order_id="A1")) == ALL


async def test_a_job_sends_children():
    assert (await sell.wait("A1")).value == [*ALL[:3], CHILD]
    assert (await sell_in_sync_code.wait("A1")).value == [*ALL[:3], CHILD]


async def test_extra_data_reach_those_who_take_any():
    futures = await placed.send(order_id="A1", shelf=3, colour="red")

    values = await upnext.gather(futures)

    assert values[1] == ["colour", "order_id", "shelf"]
    assert values[3] == {**CHILD, "shelf": 3, "is_child": False}


async def test_handlers_retry_each_for_itself():
    futures = await placed.send(order_id="A1", fail=True)

    results = [await future.result() for future in futures]

    assert [result.attempts for result in results] == [1, 2, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_a_send_in_a_transaction_leaves_on_its_commit():
    with transaction.atomic():
        futures = placed.send_sync(order_id="A1")
        with pytest.raises(upnext.JobNotFound):
            upnext.get_job(futures[0].job_id)

    assert upnext.gather_sync(futures) == ALL


@pytest.mark.django_db(transaction=True)
def test_a_send_in_a_transaction_that_is_rolled_back_is_none():
    with transaction.atomic():
        futures = placed.send_sync(order_id="A1")
        transaction.set_rollback(True)

    for future in futures:
        with pytest.raises(upnext.JobNotFound):
            upnext.get_job(future.job_id)


async def test_a_key_holds_for_each_handler():
    with paused("shop", "warehouse"):
        first = await placed.send_idempotent("once", order_id="A1")
        second = await placed.send_idempotent("once", order_id="A2")

    assert await upnext.gather(second) == ALL
    assert [future.duplicate_of for future in second] == [future.job_id for future in first]


async def test_a_wrong_call_names_the_handler_and_the_argument():
    with pytest.raises(TypeError, match=r"events\.confirm\(\) missing a required argument: 'order_id'"):
        await placed.send(order="A1")


def test_a_wrong_call_of_a_handler_elsewhere_does_too():
    shipped = upnext.event("order.shipped")

    with pytest.raises(TypeError, match=r"events_elsewhere\.tell\(\) missing a required argument: 'carrier'"):
        shipped.send_sync(order_id="A1")
    assert [f.value_sync() for f in shipped.send_sync(order_id="A1", carrier="bike")] == ["A1 by bike"]


async def test_a_handlers_own_send_goes_to_all():
    assert len(await confirm.send("A1")) == 4


async def test_what_nobody_handles_makes_no_job():
    assert await upnext.event("nobody.listens").send(order_id="A1") == []
