"""Who waits for a job that its commit could not send waits until the relay has sent it, and for its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.test import override_settings

import upnext_django as upnext
from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.fleet.server import DurableServer
from tests.relay.outbox import Outbox, relaying
from tests.waiting import wait_until
from upnext_django.broker.scripts import announce
from upnext_django.declare.registry import registry


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DurableServer]:
    server = DurableServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def fleet(server: DurableServer, tmp_path: Path, upnext_settings: dict[str, Any]) -> Iterator[Fleet]:
    """Give worker processes on that server, which has the outbox of the test."""
    fleet = Fleet(tmp_path, redis_url=server.url, namespace="waiting", lease_s=2.0)
    with override_settings(
        UPNEXT={**upnext_settings, "REDIS_URL": server.url, "NAMESPACE": "waiting", "LEASE_S": 2.0}
    ):
        yield fleet
    fleet.end()


def submit_without_redis(outbox: Outbox, server: DurableServer, *inputs: int) -> list[upnext.Future[int]]:
    server.kill()
    with transaction.atomic(using=outbox.using):
        futures = [jobs.add.submit(n, n) for n in inputs]
    assert outbox.left() == [future.job_id for future in futures]
    server.start()
    return futures


def test_a_result_comes_with_the_relay(outbox: Outbox, server: DurableServer, fleet: Fleet):
    fleet.start_ready()
    one, *others = submit_without_redis(outbox, server, 1, 2, 3)
    assert (one.status_sync(), upnext.get_job(one.job_id).status) == ("queued", "queued")
    values: list[int] = []

    def wait() -> None:
        values.append(one.value_sync(timeout=30))
        connections.close_all()

    waiting = threading.Thread(target=wait)
    waiting.start()

    with relaying():
        waiting.join(40)
        assert values == [2]
        assert upnext.gather_sync(others) == [4, 6]


async def test_in_async_code_too(outbox: Outbox, server: DurableServer, fleet: Fleet):
    fleet.start_ready()
    (future,) = await sync_to_async(submit_without_redis)(outbox, server, 4)
    with pytest.raises(TimeoutError):
        await future.result(timeout=0.3)
    assert await future.status() == "queued"

    with relaying():
        assert await future.value(timeout=30) == 8
    await sync_to_async(connections.close_all)()


def test_a_timeout_says_that_the_job_goes_on(outbox: Outbox, server: DurableServer, fleet: Fleet):
    (future,) = submit_without_redis(outbox, server, 5)

    with pytest.raises(TimeoutError, match=r"0\.3 s; it goes on"):
        future.result_sync(timeout=0.3)

    assert future.cancel_sync()
    assert future.status_sync() == "cancelled"
    assert outbox.left() == []


def test_an_event_goes_to_the_handlers_that_were_last_known(
    outbox: Outbox, server: DurableServer, fleet: Fleet
):
    with registry.isolated():
        placed = upnext.Worker("here").event("waiting.placed")
        handler = placed.on(lambda order: None)
        definition = msgspec.json.encode(handler.definition.as_json())
        announced = dict.fromkeys(("here.a", "here.b"), definition)
        with outbox.broker.clients.sync() as link:
            link.call(announce.call(outbox.broker.names, "waiting.placed", announced))
        assert set(outbox.broker.handlers.of_sync("waiting.placed")) == set(announced)
        server.kill()
        wait_until(lambda: not is_fresh(outbox, "waiting.placed"), "the handlers would be asked for again")

        with transaction.atomic(using=outbox.using):
            futures = placed.send_sync(order=1)
        with pytest.raises(upnext.RedisUnavailable), transaction.atomic(using=outbox.using):
            upnext.Worker("here").event("waiting.never_seen").send_sync(order=1)

    assert outbox.left() == [future.job_id for future in futures]
    assert len(futures) == 3
    server.start()


def is_fresh(outbox: Outbox, name: str) -> bool:
    try:
        outbox.broker.handlers.of_sync(name)
    except upnext.RedisUnavailable:
        return False
    return True
