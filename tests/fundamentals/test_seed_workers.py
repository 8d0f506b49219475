"""The examples of the workers guide do what the guide says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import upnext_django as upnext
from tests.waiting import wait_until
from tests.workers import RunningWorker, running_worker
from upnext_django.broker.broker import Broker
from upnext_django.declare import ports
from upnext_django.declare.registry import registry

# The other guides declare a Worker of the same name with other options; no project imports both.
with registry.isolated():
    from tests.fundamentals.seed_workers import (
        daily_report,
        order_placed,
        process_order,
        send_confirmation,
    )

TASKS = "tests.fundamentals.seed_workers"


async def test_a_worker_with_ten_slots(worker: RunningWorker):
    result = await process_order.wait(order_id="1", items=[])

    assert result.value == {"order_id": "1", "status": "completed"}
    assert "Slots    10" in worker.printed()


def is_announced(event: str, handler: str) -> bool:
    """Whether a worker has told Redis of a handler: it does so a moment after its start screen."""
    broker = ports.broker()
    assert isinstance(broker, Broker)
    with broker.clients.sync() as link:
        return bool(link.execute([b"HEXISTS", broker.names.handlers(event), handler]))


async def test_an_event_runs_its_handler(worker: RunningWorker):
    wait_until(
        lambda: is_announced("order.placed", send_confirmation.name), "the worker tells of its handler"
    )

    # Other guides' handlers of an event of that name may be declared in this process too.
    futures = {future.definition.function: future for future in await order_placed.send(order_id="1")}

    assert await futures[send_confirmation.name].value() == {"sent": True}


async def test_a_cron_is_on_the_screen_and_a_task_too(worker: RunningWorker):
    result = await daily_report.wait()

    assert result.value == {"generated": True}
    assert f"Crons    {daily_report.name}  0 9 * * *  America/Chicago" in worker.printed(), (
        "Django's TIME_ZONE"
    )


def test_the_ticks_of_crons_can_be_left_to_others(project: str, valkey_url: str, tmp_path: Path):
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        "--no-cron",
        redis_url=valkey_url,
        namespace=project,
        tasks=TASKS,
        log=tmp_path / "second.log",
    ) as second:
        assert "Crons    left to other processes" in second.printed()


async def test_a_second_worker_process_shares_the_queue(
    worker: RunningWorker, project: str, valkey_url: str, tmp_path: Path
):
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        redis_url=valkey_url,
        namespace=project,
        tasks=TASKS,
        log=tmp_path / "second.log",
    ) as second:
        assert second.process.poll() is None
        futures = await upnext.submit_many(
            process_order, [{"order_id": str(n), "items": []} for n in range(50)]
        )
        values = await upnext.gather(futures)

    assert [value["order_id"] for value in values] == [str(n) for n in range(50)]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("concurrency", 0),
        ("prefetch", -1),
        ("sync_pool_size", 0),
        ("sync_executor", "threads"),
        ("queue", "a b"),
    ],
)
def test_a_worker_option_that_makes_no_sense_is_refused(option: str, value: Any):
    with pytest.raises(upnext.DefinitionError, match=option):
        upnext.Worker("nonsense", **{option: value})
