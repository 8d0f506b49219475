"""``UPNEXT["ADMIN_QUERYSET"]`` over the API: nothing is done to what a caller may not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

import upnext_django as upnext
from tests.admin.rows import a_function, a_job, a_log_line, an_attempt
from tests.api.asking import Program
from tests.keys import KEY
from upnext_django.connection import get_broker
from upnext_django.core.given import key_of_given_id
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob
from upnext_django.declare.registry import registry
from upnext_django.models import (
    AttemptRecord,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    Schedule,
    Secret,
)
from upnext_django.operations import secrets
from upnext_django.operations.bulk import begin
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import BulkVerb

pytestmark = pytest.mark.django_db

OURS = "blue.tasks.pay"


def blue(request: Any, rows: Any) -> Any:
    if rows.model in (JobRecord, FunctionRecord):
        return rows.filter(queue="blue")
    if rows.model in (Schedule, Secret):
        return rows.filter(name__startswith="blue")
    if rows.model in (LogRecord, AttemptRecord, DeadLetterRecord):
        return rows.none()
    return rows


@pytest.fixture(autouse=True)
def _rule(valkey_url: str, namespace: str) -> Any:
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "SECRETS_KEYS": [KEY]}
    with (
        registry.isolated(),
        override_settings(UPNEXT={**own, "ADMIN_QUERYSET": f"{__name__}.blue"}),
    ):
        yield


def a_waiting_job(queue: str, parent: str | None = None, root: str | None = None) -> str:
    one = new_job_id(queue)
    envelope = json.dumps({"fn": "x", "parent_id": parent}).encode()
    get_broker().submit_sync([NewJob(id=one, queue=queue, function=OURS, envelope=envelope)])
    columns: dict[str, Any] = {"completed_at": None, "started_at": None, "parent_id": parent}
    a_job(1, id=one, root_id=root or one, queue=queue, status="queued", **columns)
    return one


def status(job_id: str) -> str:
    job = get_broker().job_sync(job_id)
    assert job is not None
    return str(job.status)


def test_a_tree_is_shown_and_cancelled_as_far_as_it_is_seen(program: Program):
    top = a_waiting_job("blue")
    ours, theirs = a_waiting_job("blue", top, top), a_waiting_job("red", top, top)
    below = a_waiting_job("blue", ours, top)

    _, tree = program.get(f"/jobs/{ours}/tree")
    code, told = program.post(f"/jobs/{top}/cancel", {"tree": True})

    assert {job["id"] for job in tree["jobs"]} == {top, ours, below}
    assert (code, told) == (200, {"cancelled": True})
    assert {status(one) for one in (top, ours, below)} == {"cancelled"}
    assert status(theirs) == "queued"
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {top, ours, below}


def test_an_event_with_handlers_of_others_is_refused(program: Program):
    worker = upnext.Worker("red")
    placed = worker.event("order.placed")

    @placed.on(api=True)
    def theirs(order_id: int) -> None: ...

    refused, problem = program.post("/events/order.placed/send", {"data": {"order_id": 7}})
    a_function(str(theirs.name), queue="blue")
    sent, _ = program.post("/events/order.placed/send", {"data": {"order_id": 7}})

    assert (refused, sent) == (403, 202)
    assert "theirs" not in problem["detail"]


def test_secrets_of_others_are_neither_listed_nor_changed_nor_deleted(program: Program):
    secrets.put("red_key", "theirs")
    secrets.put("blue_key", "ours")

    _, listed = program.get("/secrets")
    put = [
        program.put(f"/secrets/{name}", {"value": "new"})[0] for name in ("red_key", "blue_key", "blue_new")
    ]
    deleted = [program.delete(f"/secrets/{name}")[0] for name in ("red_key", "blue_key")]

    assert [one["name"] for one in listed["items"]] == ["blue_key"]
    assert (put, deleted) == ([404, 200, 200], [404, 204])
    assert set(Secret.objects.values_list("name", flat=True)) == {"red_key", "blue_new"}
    noted = LogEntry.objects.order_by("pk").values_list("object_id", "change_message")
    assert [(name, said.partition(" ")[0]) for name, said in noted] == [
        ("blue_key", "Changed"),
        ("blue_new", "Set"),
        ("blue_key", "Deleted"),
    ]


def test_crons_of_others_are_neither_listed_nor_switched(program: Program):
    worker = upnext.Worker("red")

    @worker.cron("0 3 * * *")
    def nightly() -> None: ...

    name = str(nightly.name)
    _, listed = program.get("/schedules")
    hidden = [program.post(f"/schedules/{name}/{what}")[0] for what in ("run", "pause", "resume")]
    a_function(name, queue="blue")
    seen = [program.post(f"/schedules/{name}/{what}")[0] for what in ("pause", "resume")]

    assert listed["items"] == []
    assert hidden == [404] * 3
    assert seen == [200] * 2


def test_rules_of_lines_attempts_and_letters_hold_for_one_job_too(program: Program):
    job = a_job(5, queue="blue", status="failed")
    an_attempt(job, 1, outcome="failed", traceback="TB")
    a_log_line(job, 1, "a line")
    DeadLetterRecord.objects.create(
        job_id=job.pk, function=OURS, queue="blue", failed_at=timezone.now(), attempts=1, crashes=0
    )

    assert program.get(f"/jobs/{job.pk}/logs")[1]["items"] == []
    assert program.get(f"/jobs/{job.pk}")[1]["claims"] == []
    assert [program.post(f"/dlq/{job.pk}/{what}")[0] for what in ("discard", "replay")] == [404, 404]


def test_the_same_id_that_another_tenant_gave_hides_nothing(program: Program):
    a_job(7, queue="blue", idempotency_key=key_of_given_id("invoice-7"))
    a_job(8, queue="red", idempotency_key=key_of_given_id("invoice-7"))

    _, job = program.get("/jobs/invoice-7")

    assert job["queue"] == "blue"


def test_only_ones_own_actions_on_many_are_seen(program: Program, person: Callable[..., User]):
    theirs = begin.start(BulkVerb.CANCEL, Selection(), by=person("*", name="red"))
    _, made = program.post("/bulk-actions/cancel-jobs", {"queue": "blue"})

    _, listed = program.get("/bulk-actions")
    code, _ = program.post(f"/bulk-actions/{theirs.pk}/stop")

    assert [one["id"] for one in listed["items"]] == [made["id"]]
    assert code == 404


def test_who_sees_a_part_is_told_the_names_of_what_is_not_ready(program: Program):
    _, problem = program.get("/ready")

    assert problem["status"] == 503
    assert "--" not in problem["detail"]
    assert "manage.py" not in problem["detail"]
