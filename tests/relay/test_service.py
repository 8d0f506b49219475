"""The relay brings to Redis what is left in the outbox: all of it, in its order, each job once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from django.utils import timezone

import upnext_django as upnext
from tests.fleet.server import DurableServer
from tests.relay.outbox import Outbox, new_job, relaying
from tests.waiting import wait_until
from upnext_django.connection import get_broker
from upnext_django.models import JobRecord, OutboxEntry
from upnext_django.outbox import entries


def test_all_rows_arrive_in_their_order(outbox: Outbox):
    ids = outbox.put_many(450)

    with relaying() as service:
        assert service.drain(30)

    assert outbox.arrived() == ids
    assert outbox.left() == []


def test_a_row_that_somebody_is_about_to_send_is_left_to_him_for_a_moment(outbox: Outbox):
    ids = outbox.put_many(2)
    relay = outbox.relay()

    assert relay.move(lambda: True) == 0

    wait_until(lambda: relay.move(lambda: True), "the rows are no longer on their way")
    assert outbox.arrived() == ids


def test_what_redis_had_already_is_only_taken_out(outbox: Outbox):
    jobs = [new_job() for _ in range(3)]
    outbox.put(*jobs)
    outbox.broker.submit_sync(jobs[:2])

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [job.id for job in jobs]
    assert outbox.left() == []


def test_a_job_that_ran_and_whose_key_has_expired_does_not_run_again(outbox: Outbox):
    ran, fresh = outbox.put_many(2)
    JobRecord.objects.using(outbox.using).create(
        id=ran, function="shop.tasks.send", queue="mail", status="complete", created_at=timezone.now()
    )

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [fresh]
    assert outbox.left() == []


def test_one_that_the_history_knows_and_redis_has_lost_is_sent(outbox: Outbox):
    (job_id,) = outbox.put_many(1)
    JobRecord.objects.using(outbox.using).create(
        id=job_id, function="shop.tasks.send", queue="mail", status="queued", created_at=timezone.now()
    )

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [job_id]


def test_a_relay_takes_what_is_for_its_own_redis(outbox: Outbox, upnext_settings: dict[str, Any]):
    entries.write([theirs := new_job()], redis="redis://elsewhere:6379/0", using=outbox.using)
    (ours,) = outbox.put_many(1)
    of_a_worker = get_broker(upnext_settings["REDIS_URL"])

    with relaying(of_a_worker) as service:
        assert service.drain(20)

    assert (outbox.arrived(), outbox.left()) == ([ours], [theirs.id])


def test_the_loser_of_an_idempotency_key_leads_to_the_winner(outbox: Outbox):
    winner, loser = outbox.put(new_job(key="order-1"), new_job(key="order-1"))

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [winner]
    assert upnext.get_job(loser).duplicate_of == winner


def test_a_second_relay_stands_by_and_takes_over(outbox: Outbox):
    with relaying() as first:
        lease = outbox.broker.names.relay_lease("")
        owner = wait_until(lambda: outbox.run(b"GET", lease), "the first relay is active")
        with relaying() as second:
            ids = outbox.put_many(30)
            assert second.drain(20)
            assert outbox.run(b"GET", lease) == owner

            first.stop()
            assert first.join(20)
            ids += outbox.put_many(30)

            assert second.drain(20)
            assert outbox.run(b"GET", lease) != owner
    assert outbox.arrived() == ids


def test_two_that_are_active_at_once_send_each_job_once(outbox: Outbox):
    """As after one was stopped for longer than its lease, in the middle of a batch."""
    ids = outbox.put_many(600)
    one, other = outbox.relay(), outbox.relay()

    while outbox.left():
        one.move(lambda: other.move(lambda: True, at_once=True) >= 0, at_once=True)

    assert sorted(outbox.arrived()) == ids


def test_a_queue_whose_events_wait_for_the_mirror_holds_up_no_other(
    outbox: Outbox, upnext_settings: dict[str, Any]
):
    with override_settings(UPNEXT={**upnext_settings, "MAX_EVENTS": 1}):
        full, *waiting = outbox.put_many(3, queue="full")
        relay = outbox.relay()
        outbox.broker.submit_sync([new_job(queue="full")])
        free = outbox.put_many(1, queue="free")

        relay.move(lambda: True, at_once=True)

        assert outbox.arrived("free") == free
        assert outbox.left() == [full, *waiting]
    with relaying() as service:
        assert service.drain(20)
    assert outbox.arrived("full")[1:] == [full, *waiting]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DurableServer]:
    """Give a server of this test's own, which is not started."""
    server = DurableServer(tmp_path)
    yield server
    server.kill()


def test_it_waits_for_redis_and_goes_on(
    outbox: Outbox,
    upnext_settings: dict[str, Any],
    server: DurableServer,
    caplog: pytest.LogCaptureFixture,
):
    with (
        override_settings(UPNEXT={**upnext_settings, "REDIS_URL": server.url}),
        caplog.at_level(logging.INFO, "upnext.relay"),
        relaying() as service,
    ):
        ids = outbox.put_many(250)
        wait_until(lambda: "waits for Redis" in caplog.text, "the relay says that it waits")
        assert outbox.left() == ids

        server.start()

        assert service.drain(30)
        assert outbox.arrived() == ids
        wait_until(lambda: "Redis is back" in caplog.text, "the relay says that it goes on")
    assert caplog.text.count("waits for Redis") == 1
    assert server.password not in caplog.text


def test_it_waits_for_the_database_and_goes_on(outbox: Outbox, caplog: pytest.LogCaptureFixture):
    table, connection = OutboxEntry._meta.db_table, connections[outbox.using]
    with caplog.at_level(logging.INFO, "upnext.relay"), relaying() as service:
        assert service.drain(20)
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        try:
            wait_until(lambda: "waits for database" in caplog.text, "the relay says that it waits")
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")
        ids = outbox.put_many(3)

        assert service.drain(30)
        assert outbox.arrived() == ids
        wait_until(lambda: "goes on with database" in caplog.text, "the relay says that it goes on")
    assert caplog.text.count("waits for database") == 1
