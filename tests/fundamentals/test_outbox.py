"""With the outbox, what is committed runs: also if Redis was away at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings

import upnext_django as upnext
from tests.fundamentals.outbox import placed, receipt
from tests.waiting import wait_until
from upnext_django.models import OutboxEntry
from upnext_django.operations import jobs

TASKS = "tests.fundamentals.outbox"

pytestmark = pytest.mark.usefixtures("worker", "rows", "outbox")

NO_REDIS = "redis://127.0.0.1:1/0"


class Oops(Exception):
    pass


@pytest.fixture
def outbox(project: str, valkey_url: str) -> Iterator[None]:
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": project, "OUTBOX": True}):
        yield


@pytest.fixture
def without_redis(project: str) -> override_settings:
    """Give a context in which nobody answers at the URL of the settings."""
    return override_settings(UPNEXT={"REDIS_URL": NO_REDIS, "NAMESPACE": project, "OUTBOX": True})


def test_the_committing_process_sends_the_job_and_takes_its_row_out():
    with transaction.atomic():
        future = receipt.submit(1)
        assert OutboxEntry.objects.get(job_id=future.job_id).function == receipt.name

    assert future.value_sync(timeout=10) == 1
    assert not OutboxEntry.objects.filter(job_id=future.job_id).exists()


def test_a_rollback_takes_the_row_along():
    with suppress(Oops), transaction.atomic():
        future = receipt.submit(1)
        raise Oops

    assert not OutboxEntry.objects.filter(job_id=future.job_id).exists()
    with pytest.raises(upnext.JobNotFound):
        upnext.get_job(future.job_id)


def test_a_commit_without_redis_raises_nothing_and_its_job_runs_later(without_redis: override_settings):
    with without_redis, transaction.atomic():
        future = receipt.submit(2)

    assert upnext.get_job(future.job_id).status == "queued"
    call_command("upnext_relay", "--once")
    wait_until(lambda: upnext.get_job(future.job_id).result == 2, "the job has run")
    assert not OutboxEntry.objects.filter(job_id=future.job_id).exists()


def test_without_a_transaction_too_a_job_waits_for_redis(without_redis: override_settings):
    with without_redis:
        single = receipt.submit(3)
        many = upnext.submit_many(receipt, [{"order_id": n} for n in range(3)])

    ids = [single.job_id, *(future.job_id for future in many)]
    assert list(OutboxEntry.objects.filter(job_id__in=ids).values_list("job_id", flat=True)) == ids
    call_command("upnext_relay", "--once")
    wait_until(lambda: [upnext.get_job(one).result for one in ids] == [3, 0, 1, 2], "all have run")


def test_a_job_that_waits_can_be_cancelled(without_redis: override_settings):
    with without_redis, transaction.atomic():
        future = receipt.submit(4)

    assert jobs.cancel(future.job_id)

    assert upnext.get_job(future.job_id).status == "cancelled"
    assert not OutboxEntry.objects.filter(job_id=future.job_id).exists()


def test_an_event_obeys_the_same_rules():
    with transaction.atomic():
        futures = placed.send_sync(order_id=5)
        ids = [future.job_id for future in futures]
        assert OutboxEntry.objects.filter(job_id__in=ids).count() == len(futures) == 1

    assert upnext.gather_sync(futures) == [50]


def test_waiting_inside_the_transaction_is_refused():
    with transaction.atomic():
        future = receipt.submit(6)
        with pytest.raises(upnext.WaitInTransaction):
            future.value_sync()
        with pytest.raises(upnext.WaitInTransaction):
            upnext.map_tasks_sync(receipt, [{"order_id": 7}])

    assert future.value_sync(timeout=10) == 6


def test_what_waits_at_once_runs_as_ever():
    assert upnext.map_tasks_sync(receipt, [{"order_id": n} for n in range(5)]) == [0, 1, 2, 3, 4]
    assert receipt.wait_sync(8).value == 8


async def test_async_code_sends_at_once():
    assert await receipt.submit(9).value(timeout=10) == 9
