"""Settings and options whose effect shows on a running worker alone."""

from __future__ import annotations

import pytest
from django.test import override_settings

import upnext_django as upnext
from tests.django import tasks
from tests.waiting import wait_until
from upnext_django.connection import get_broker
from upnext_django.models import JobRecord

pytestmark = pytest.mark.usefixtures("worker", "rows")


def test_redis_keeps_a_result_for_its_ttl_from_when_it_is_in_the_history():
    future = tasks.short_lived.submit(20)
    value = future.value_sync(timeout=10)
    broker = get_broker()
    key = broker.keys("django-tests").job(future.job_id)

    def left_ms() -> int:
        with broker.clients.sync() as link:
            left: int = link.execute([b"PTTL", key])
        return max(0, left)

    left = wait_until(left_ms, "the job's key has a time to live")

    assert value == 40
    assert 60_000 < left <= 90_000
    assert JobRecord.objects.get(pk=future.job_id).result == 40


def test_namespaces_on_one_redis_do_not_see_each_other(valkey_url: str, project: str):
    future = tasks.short_lived.options(delay=60).submit(1)

    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": f"{project}-other"}):
        elsewhere = get_broker().inspector.place(future.job_id)

    assert elsewhere is None
    assert get_broker().inspector.place(future.job_id) is not None


def test_a_queue_of_the_settings_may_be_named_though_nothing_here_declares_it(valkey_url: str, project: str):
    with pytest.raises(upnext.UnknownQueue, match="no-such-queue"):
        tasks.short_lived.options(queue="no-such-queue").submit(1)

    settings = {"REDIS_URL": valkey_url, "NAMESPACE": project, "QUEUES": ["no-such-queue"]}
    with override_settings(UPNEXT=settings):
        future = tasks.short_lived.options(queue="no-such-queue").submit(1)

        place = get_broker().inspector.place(future.job_id)

    assert place is not None
    assert place.queue == "no-such-queue"
