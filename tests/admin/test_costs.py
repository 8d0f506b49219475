"""What a page costs does not grow with the rows: as many queries with 50 of everything as with one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.admin.addresses import addresses
from tests.admin.rows import a_function, a_job, a_log_line, an_attempt, job_id
from tests.broker.lab import FUNCTION, QUEUE, Lab
from tests.keys import KEY
from upnext_django.connection import get_broker
from upnext_django.models import (
    ArtifactRecord,
    DeadLetterRecord,
    OutboxEntry,
    Schedule,
    Secret,
    StatRecord,
    WorkerRecord,
)

pytestmark = pytest.mark.django_db

#: What takes other parameters shows something else.
ALSO: dict[str, list[dict[str, str]]] = {
    "upnext_jobrecord_changelist": [
        {"when": "all"},
        {"when": "1h", "status__exact": "failed"},
        {"status__exact": "failed", "function": "shop.tasks.f1", "when": "all"},
        {"worker_id": "web-1"},
        {"level": "top", "when": "all"},
        {"q": "kwargs.order:7"},
        {"q": job_id(1)},
        {"q": job_id(1)[:8]},
        {"q": "pay"},
        {"q": "key-1"},
    ],
    "upnext_jobrecord_tree": [{"all": "1"}],
    "upnext_overview_changelist": [{"window": "day"}, {"window": "week"}],
    "upnext_failure_changelist": [{"window": "day"}, {"window": "week"}],
    "upnext_deadletterrecord_changelist": [{"decision": "all"}, {"error_type": "ValueError"}],
}


def make(number: int) -> None:
    """Have one more row of everything: jobs in one tree, failures of several kinds, functions, workers."""
    now = timezone.now()
    function = f"shop.tasks.f{number}"
    job = a_job(
        number,
        status="failed",
        function=function,
        function_name=f"pay_{number}",
        queue=QUEUE,
        parent_id=None if number == 1 else job_id(1),
        root_id=job_id(1),
        worker_id="web-1",
        attempts=2,
        idempotency_key=f"key-{number}",
        arguments={"args": [], "kwargs": {"order": 7}},
        error_type="ValueError",
        error="ValueError: no",
    )
    for token in (1, 2):
        an_attempt(job, token, outcome="failed", traceback="T")
    a_log_line(job, 0, "line")
    DeadLetterRecord.objects.create(
        job_id=job.pk,
        function=function,
        function_name=f"pay_{number}",
        queue=QUEUE,
        failed_at=now - timedelta(minutes=number),
        attempts=2,
        crashes=0,
        error_type="ValueError",
        error="ValueError: no",
        fingerprint=f"{number % 7:016x}",
        message="no",
    )
    a_function(function, queue=QUEUE)
    WorkerRecord.objects.create(id=f"web-{number}", started_at=now, seen_at=now)
    ArtifactRecord.objects.create(
        id=job_id(1_000 + number),
        job_id=job.pk,
        name="report.txt",
        artifact_type="text",
        size_bytes=1,
        path="nowhere/report.txt",
        created_at=now,
    )
    OutboxEntry.objects.create(job_id=job_id(2_000 + number), function=function, queue=QUEUE, item=b"{}")
    Schedule.objects.create(name=f"nightly {number}", function=function, expression="0 0 * * *")
    Secret.objects.create(name=f"key_{number}", ciphertext="x", created_at=now, updated_at=now)
    for period in (60, 3_600):
        StatRecord.objects.create(
            period=period,
            start=now.replace(second=0, microsecond=0) - timedelta(minutes=number),
            function=function,
            queue=QUEUE,
            outcome="failed",
            bound_ms=50,
            jobs=1,
            ran_ms=1,
        )


def costs(client: Client, pages: dict[str, str]) -> dict[str, int]:
    """Return the number of queries of each page, with each of its parameters."""
    found = {}
    for name, path in pages.items():
        for query in [{}, *ALSO.get(name, [])]:
            with CaptureQueriesContext(connection) as captured:
                response = client.get(path, query)
            assert response.status_code in (200, 302, 403, 404, 405), name
            found[f"{name} {query} {response.status_code}"] = len(captured)
    return found


def pages() -> dict[str, str]:
    """Return every address, with a group of failures that exists."""
    found = addresses()
    for what in ("detail", "retry", "discard"):
        found[f"upnext_failure_{what}"] = reverse(f"admin:upnext_failure_{what}", args=[f"{1:016x}"])
    return found


def test_every_page_takes_as_many_queries_for_one_row_as_for_fifty(
    admin_client: Client, valkey_url: str, namespace: str
) -> None:
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace, "SECRETS_KEYS": [KEY]}):
        lab = Lab(valkey_url, namespace)
        try:
            lab.register()
            lab.run(b"SADD", get_broker().names.queues, QUEUE)
            lab.run(b"HSET", get_broker().names.functions, FUNCTION, b'{"queue": "mail", "aliases": []}')
            lab.submit_one()
            make(1)
            # Read once a process, by whichever page comes first.
            ContentType.objects.get_for_models(*apps.get_models())
            one = costs(admin_client, pages())

            for number in range(2, 51):
                make(number)
                lab.submit_one()
            fifty = costs(admin_client, pages())
        finally:
            lab.close()

    assert {page: (one.get(page), count) for page, count in fifty.items() if one.get(page) != count} == {}
    assert sum(page.endswith(" 200") for page in one) > 50
