"""Lists and numbers on many rows: so many queries, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.rows import a_function, a_job, job_id
from tests.api.asking import Program
from upnext_django.declare.registry import registry
from upnext_django.models import ArtifactRecord, BulkAction, DeadLetterRecord, Schedule, StatRecord

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

LISTS = {
    "/jobs": {},
    "/jobs?filtered": {"status": "complete", "created_from": "2020-01-01T00:00:00Z"},
    "/jobs/stats": {},
    "/jobs/trends": {"window": "hour", "function": "shop.tasks.pay"},
    "/functions": {},
    "/dlq": {},
    "/schedules": {},
    "/artifacts": {},
    "/bulk-actions": {},
}


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with registry.isolated():
        yield


def fill(first: int, last: int) -> None:
    now = timezone.now()
    for number in range(first, last):
        function = f"shop.tasks.t{number}"
        job = a_job(number, schedule=f"nightly {number}")
        a_function(function, definition={"function": function, "parameters": []})
        Schedule.objects.create(name=f"nightly {number}", function=function, expression="@daily")
        DeadLetterRecord.objects.create(
            job_id=job.pk, function=function, queue="shop", failed_at=now, attempts=1, crashes=0
        )
        BulkAction.objects.create(verb="cancel", until=now, asked_at=now)
        ArtifactRecord.objects.create(
            id=job_id(1_000_000 + number),
            job_id=job.pk,
            name="a.txt",
            artifact_type="text",
            size_bytes=1,
            created_at=now,
        )
        StatRecord.objects.create(
            period=60,
            start=now - timedelta(minutes=number),
            function="shop.tasks.pay",
            queue="shop",
            outcome="complete",
            bound_ms=100,
            jobs=1,
        )


def asked(program: Program, path: str, query: dict[str, Any]) -> tuple[int, Any]:
    with CaptureQueriesContext(connection) as queries:
        status, body = program.get(path.partition("?")[0], **query)
    assert status == 200, body
    return len(queries), body


@pytest.mark.parametrize("path", LISTS)
def test_a_list_asks_as_much_of_few_rows_as_of_many(program: Program, path: str):
    fill(0, 3)
    asked(program, path, LISTS[path])  # The first use of a token is noted.
    few, _ = asked(program, path, LISTS[path])
    fill(3, 40)

    many, body = asked(program, path, LISTS[path])

    assert many == few
    assert few <= 8
    if "items" in body:
        assert len(body["items"]) == 40


def test_all_pages_together_have_each_job_once_while_others_come(program: Program):
    fill(100, 130)
    seen, cursor = [], None
    for number in range(6):
        _, page = program.get("/jobs", limit=7, **({} if cursor is None else {"cursor": cursor}))
        seen += [job["id"] for job in page["items"]]
        cursor = page["next"]
        a_job(200 + number)  # newer than the page
        if cursor is None:
            break

    assert seen == [job_id(number) for number in range(129, 99, -1)]
