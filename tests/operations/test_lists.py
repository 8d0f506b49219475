"""Jobs narrowed for a list: whichever way they are found, they are those that match."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from tests.api.asking import Program
from upnext_django.core.ids import tick_job_id
from upnext_django.models import JobRecord
from upnext_django.models.token import SCOPES
from upnext_django.operations import history, tokens

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIVEN = {
    "status": "failed",
    "function": "shop.tasks.pay",
    "queue": "mail",
    "worker_id": "w1",
    "schedule": "nightly",
    "idempotency_key": "k",
    "parent_id": "p",
    "root_id": "r",
}


def job(name: str, made: datetime, *, id_at: datetime | None = None, **columns: Any) -> str:
    """Have a job that was submitted then; ``id_at`` is the time in its id, None the same."""
    stamp_ms = round((id_at or made).timestamp() * 1000)
    key = tick_job_id("mail", name, stamp_ms)
    facts = {"function": "f", "queue": "q", "status": "complete", "root_id": key, **columns}
    JobRecord.objects.create(id=key, created_at=made, **facts)
    return key


def test_jobs_that_hold_two_things_are_found_whichever_is_rare(monkeypatch: pytest.MonkeyPatch):
    for number, names in enumerate(
        [*combinations(GIVEN, 1), *combinations(GIVEN, 2), *combinations(GIVEN, 3), tuple(GIVEN)]
    ):
        columns: dict[str, Any] = {name: GIVEN[name] for name in names}
        for copy in range(2):
            job(f"{number} {copy}", NOON, **columns)
    rows = JobRecord.objects.order_by("-pk")

    for few in (0, 10, 10_000):
        monkeypatch.setattr(history, "_FEW", few)
        for one, other in combinations(GIVEN, 2):
            given = {one: GIVEN[one], other: GIVEN[other]}
            wanted = rows.filter(**given)
            if {one, other} & {"parent_id", "root_id"}:
                wanted = wanted.filter(parent_id__isnull=False)
            assert list(history.matching(rows, given)) == list(wanted), (few, given)
            assert wanted


@pytest.mark.parametrize("counted", [1, 10_000])
def test_a_job_whose_submitter_was_ahead_is_in_the_list_of_its_time(
    counted: int, monkeypatch: pytest.MonkeyPatch
):
    """Ids have the time of the submitter's clock, rows that of Redis."""
    monkeypatch.setattr(history, "_COUNTED", counted)
    early = job("early", NOON - HOUR)
    ahead = job("ahead", NOON - HOUR, id_at=NOON + 3 * HOUR)
    job("late", NOON)
    job("later", NOON + 4 * HOUR)

    found = history.made_before(JobRecord.objects.order_by("-pk"), NOON)

    assert [row.pk for row in found] == [ahead, early]


@pytest.mark.parametrize("looked_at", [1, 150_000])
def test_a_job_of_a_parent_that_began_long_ago_is_in_the_list_of_its_time(
    looked_at: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(history, "_LOOKED_AT", looked_at)
    late_child = job("child", NOON, id_at=NOON - 72 * HOUR)
    job("early", NOON - HOUR)
    late = job("late", NOON + HOUR)

    found = history.made_since(JobRecord.objects.order_by("-pk"), NOON)

    assert [row.pk for row in found] == [late, late_child]


def test_pages_of_jobs_that_hold_several_things_have_each_once():
    wanted = [
        job(f"{number}", NOON + timedelta(seconds=number), queue="mail", status="failed")
        for number in range(7)
    ]
    job("other", NOON, queue="mail")
    _row, text = tokens.create("robot", owner=User.objects.create_superuser("root"), scopes=SCOPES)
    program, found, cursor = Program(text), [], None

    for size in (3, 3, 1):
        query = {"queue": "mail", "status": "failed", "limit": 3, **({"cursor": cursor} if cursor else {})}
        _status, page = program.get("/jobs", **query)
        assert len(page["items"]) == size
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]

    assert found == wanted[::-1]
    assert cursor is None


def test_a_function_and_a_queue_are_found_in_one_index():
    rows = JobRecord.objects.filter(function="shop.tasks.pay", queue="mail").order_by("-pk")

    plan = rows.values_list("pk")[:51].explain()

    if connection.vendor == "sqlite":
        assert "COVERING INDEX upnext_job_function" in plan
