"""A job of the outbox can be asked for and cancelled; the relay and a cancel never both win."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

import upnext_django as upnext
from tests.relay.outbox import Outbox, new_job
from upnext_django.declare import arrival
from upnext_django.operations import jobs as operations


def status(job_id: str) -> str:
    return upnext.get_job(job_id).status


@pytest.mark.parametrize(
    ("times", "said"),
    [({}, "queued"), ({"delay_ms": 60_000}, "scheduled"), ({"at_ms": 1}, "queued")],
    ids=str,
)
def test_it_has_the_status_that_it_will_have(outbox: Outbox, times: dict[str, Any], said: str):
    (job_id,) = outbox.put(new_job(**times))

    job = upnext.get_job(job_id)

    assert (job.status, job.queue, job.task_name, job.error) == (said, "mail", "shop.tasks.send", None)
    assert job.created_at is not None


async def test_async_code_sees_it_too(outbox: Outbox):
    (job_id,) = await sync_to_async(outbox.put_many)(1)

    assert (await upnext.aget_job(job_id)).status == "queued"
    assert await arrival.cancel(outbox.broker, job_id, tree=False)
    assert (await upnext.aget_job(job_id)).status == "cancelled"
    await sync_to_async(connections.close_all)()


@pytest.mark.parametrize("times", [{}, {"delay_ms": 60_000}, {"at_ms": 4_000_000_000_000}], ids=str)
def test_a_cancelled_one_never_runs(outbox: Outbox, times: dict[str, Any]):
    cancelled, other = outbox.put(new_job(**times), new_job())

    assert operations.cancel(cancelled)

    assert outbox.left() == [other]
    assert status(cancelled) == "cancelled"
    outbox.relay().move(lambda: True, at_once=True)
    assert outbox.arrived() == [other]
    assert not operations.cancel(cancelled)


def test_what_redis_has_already_is_cancelled_there(outbox: Outbox):
    job = new_job()
    outbox.put(job)
    outbox.broker.submit_sync([job])

    assert operations.cancel(job.id)

    assert status(job.id) == "cancelled"
    outbox.relay().move(lambda: True, at_once=True)
    assert (outbox.left(), outbox.arrived()) == ([], [])


def test_one_that_was_set_aside_can_be_cancelled(outbox: Outbox):
    (job_id,) = outbox.put_many(1)
    outbox.rows().update(item=b"?")

    assert operations.cancel(job_id)

    assert outbox.left() == []
    with pytest.raises(upnext.JobNotFound):
        operations.cancel(job_id)


def test_the_loser_of_a_key_cancels_the_winner(outbox: Outbox):
    winner = new_job(key="order-1")
    outbox.broker.submit_sync([winner])
    (loser,) = outbox.put(new_job(key="order-1"))

    assert operations.cancel(loser)

    assert status(winner.id) == "cancelled"
    assert outbox.left() == []


def test_whoever_wins_a_cancelled_job_does_not_run(outbox: Outbox):
    """No worker is here, so every job is still waiting when its cancel comes to Redis."""
    ids = outbox.put_many(150)
    relay = threading.Thread(target=relay_all, args=[outbox])
    relay.start()

    cancelled = [operations.cancel(job_id) for job_id in reversed(ids)]

    relay.join(30)
    assert not relay.is_alive()
    assert all(cancelled)
    assert outbox.left() == []
    assert outbox.arrived() == []
    assert {status(job_id) for job_id in ids} == {"cancelled"}


def relay_all(outbox: Outbox) -> None:
    relay = outbox.relay()
    while outbox.left():
        relay.move(lambda: True, at_once=True)
    connections.close_all()
