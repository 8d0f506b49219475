"""What the API shows of a namespace with a job of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from tests.api.asking import Program
from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.models import FunctionRecord, JobRecord, LogRecord

pytestmark = [pytest.mark.databases, pytest.mark.usefixtures("things")]

Person = Callable[..., User]
TokenOf = Callable[..., str]


def failed() -> str:
    return str(JobRecord.objects.get(status="failed").pk)


def waiting() -> str:
    return str(JobRecord.objects.get(status="queued").pk)


def test_jobs_are_listed_newest_first_in_pages(program: Program):
    status, first = program.get("/jobs", limit=1)
    _, second = program.get("/jobs", limit=1, cursor=first["next"])

    assert status == 200
    assert [job["id"] for job in first["items"] + second["items"]] == [waiting(), failed()]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"status": "failed"}, 1),
        ({"status": "complete"}, 0),
        ({"function": FUNCTION}, 2),
        ({"queue": "other"}, 0),
        ({"created_from": "2020-01-01T00:00:00Z"}, 2),
        ({"created_before": "2020-01-01T00:00:00Z"}, 0),
        ({"created_before": "2999-01-01T00:00:00+02:00"}, 2),
        ({"parent_id": "nobody"}, 0),
        ({"schedule": "nightly"}, 0),
    ],
)
def test_jobs_are_narrowed(program: Program, query: dict[str, str], count: int):
    status, found = program.get("/jobs", **query)

    assert (status, len(found["items"])) == (200, count)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "query.limit"),
        ({"limit": "201"}, "query.limit"),
        ({"status": "dead"}, "query.status"),
        ({"cursor": "nonsense"}, "query.cursor"),
        ({"cursor": "\u00e4"}, "query.cursor"),
        ({"created_from": "2020-01-01T00:00:00"}, "query.created_from"),
        ({"function": "a\0b"}, "query.function"),
        ({"staus": "failed"}, "query.staus"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(program: Program, query: dict[str, str], field: str):
    status, found = program.get("/jobs", **query)

    assert status == 422
    assert [one["field"] for one in found["errors"]] == [field]


def test_a_job_is_shown_with_its_attempts_and_arguments(program: Program):
    status, job = program.get(f"/jobs/{failed()}")

    assert status == 200
    assert job["error"] == "ValueError: no"
    assert job["payload"]["arguments"] == {"args": [7], "kwargs": {"note": "for the reader"}}
    assert [(one["outcome"], one["traceback"]) for one in job["claims"]] == [("failed", "T")]
    assert job["waiting"] is None


def test_payloads_need_a_scope_of_their_own(reader: Program):
    _, job = reader.get(f"/jobs/{failed()}")
    _, letter = reader.get(f"/dlq/{failed()}")

    assert job["payload"] is None
    assert letter["payload"] is None
    assert "for the reader" not in str((job, letter))


def test_it_says_why_a_job_waits(program: Program):
    _, job = program.get(f"/jobs/{waiting()}")

    assert job["waiting"]["reason"] == "no_worker"


def test_a_job_of_a_moment_ago_is_shown_as_redis_has_it(program: Program, things: Lab):
    new = things.submit_one()

    status, job = program.get(f"/jobs/{new}")

    assert (status, job["status"], job["in_history"]) == (200, "queued", False)


def test_what_nobody_knows_is_not_found(program: Program):
    unknown = f"{failed()[:-12]}000000000000"
    for path in (
        f"/jobs/{unknown}",
        f"/jobs/{unknown}/tree",
        f"/jobs/{unknown}/logs",
        f"/dlq/{waiting()}",
        "/functions/no.such",
        "/queues/none",
        "/workers/none",
        "/schedules/none",
        "/artifacts/none",
    ):
        status, problem = program.get(path)
        assert (path, status, problem["status"]) == (path, 404, 404)


def test_a_tree_is_shown_with_depths(program: Program):
    top = JobRecord.objects.get(pk=failed())
    child = JobRecord.objects.get(pk=waiting())
    JobRecord.objects.filter(pk=child.pk).update(parent_id=top.pk, root_id=top.pk)

    status, tree = program.get(f"/jobs/{child.pk}/tree")
    _, cut = program.get(f"/jobs/{child.pk}/tree", limit=1)

    assert status == 200
    assert tree["root_id"] == top.pk
    assert [(job["id"], job["depth"]) for job in tree["jobs"]] == [(top.pk, 0), (child.pk, 1)]
    assert (tree["truncated"], cut["truncated"]) == (False, True)


def test_a_log_is_read_in_pages_as_it_grows(program: Program):
    job = failed()
    for seq, position, level in ((2, 0, "INFO"), (2, 1, "ERROR"), (3, 0, "INFO")):
        LogRecord.objects.create(
            job_id=job,
            seq=seq,
            position=position,
            at=timezone.now(),
            level=level,
            message=f"{seq}.{position}",
            data={"n": 1},
        )

    _, first = program.get(f"/jobs/{job}/logs", limit=2)
    _, second = program.get(f"/jobs/{job}/logs", limit=2, cursor=first["next"])
    _, errors = program.get(f"/jobs/{job}/logs", level="error")

    assert [line["message"] for line in first["items"]] == ["2.0", "2.1"]
    assert [line["message"] for line in second["items"]] == ["3.0"]
    assert [line["message"] for line in errors["items"]] == ["2.1"]


def test_numbers_and_trends_count_what_ended(program: Program):
    _, stats = program.get("/jobs/stats", window="hour")
    _, trends = program.get("/jobs/trends", window="day", queue=QUEUE)
    _, other = program.get("/jobs/stats", queue="other")

    assert (stats["numbers"]["failed"], stats["numbers"]["success"]) == (1, 0.0)
    assert len(trends["points"]) == 24
    assert sum(point["numbers"]["failed"] for point in trends["points"]) == 1
    assert other["numbers"]["ended"] == 0


def test_functions_are_shown_with_numbers_and_workers(program: Program):
    secret = {"name": "api_key", "kind": "keyword", "required": False, "default": "k-1"}
    definition = {"api": True, "parameters": [secret]}
    FunctionRecord.objects.update_or_create(
        function=FUNCTION, defaults={"seen_at": timezone.now(), "definition": definition}
    )

    _, listed = program.get("/functions")
    _, one = program.get(f"/functions/{FUNCTION}")

    assert [item["function"] for item in listed["items"]] == [FUNCTION]
    assert (one["api"], one["paused"], one["workers"]) == (True, False, [])
    assert one["last_day"]["failed"] == 1
    assert one["definition"]["parameters"] == [{"name": "api_key", "kind": "keyword", "required": False}]


def test_functions_are_shown_while_redis_is_away(program: Program, namespace: str):
    FunctionRecord.objects.update_or_create(function=FUNCTION, defaults={"seen_at": timezone.now()})

    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1", "NAMESPACE": namespace}):
        _, one = program.get(f"/functions/{FUNCTION}")
        status, problem = program.get("/queues")

    assert (one["paused"], one["workers"]) == (None, None)
    assert (status, problem["type"]) == (503, "urn:upnext:problem:service-unavailable")


def test_queues_are_shown_with_reasons(program: Program):
    _, queues = program.get("/queues")
    _, queue = program.get(f"/queues/{QUEUE}")

    assert [one["name"] for one in queues["items"]] == [QUEUE]
    assert (queue["waiting"], queue["dead"], queue["lanes"]["normal"]) == (1, 1, 1)
    assert [(one["reason"], one["jobs"]) for one in queue["functions"][0]["reasons"]] == [("no_worker", 1)]


def test_workers_are_shown_with_their_jobs(program: Program, things: Lab):
    broker = get_broker()
    claimed = things.claim(1).jobs[0]
    facts = (
        b'{"host": "web1", "pid": 7, "state": "running", "queues": ["mail"], "seen_ms": 9999999999999, '
        b'"functions": ["shop.tasks.send"], "started_ms": 1}'
    )
    things.run(b"HSET", broker.names.workers, b"w1", facts)

    _, workers = program.get("/workers")
    _, one = program.get("/workers/w1")

    assert [worker["id"] for worker in workers["items"]] == ["w1"]
    assert [job["id"] for job in one["running"]] == [claimed.id]


def test_dead_letters_are_narrowed(program: Program):
    for query, count in (
        ({}, 1),
        ({"function": "send"}, 1),
        ({"function": FUNCTION}, 1),
        ({"error_type": "KeyError"}, 0),
        ({"decision": "discarded"}, 0),
        ({"failed_before": "2020-01-01T00:00:00Z"}, 0),
    ):
        status, found = program.get("/dlq", **query)
        assert (query, status, len(found["items"])) == (query, 200, count)

    _, letter = program.get(f"/dlq/{failed()}")
    assert [one["error"] for one in letter["claims"]] == ["ValueError: no"]
    assert letter["payload"]["arguments"]["args"] == [7]


def test_schedules_are_shown_with_their_next_runs(program: Program, reader: Program):
    _, schedules = program.get("/schedules")
    _, one = program.get("/schedules/nightly")
    _, seen = reader.get("/schedules/nightly")

    assert [schedule["name"] for schedule in schedules["items"] if not schedule["declared"]] == ["nightly"]
    assert len(one["next_runs"]) == 5
    assert one["arguments"] == {"args": [], "kwargs": {}}
    assert seen["arguments"] is None


def test_secrets_are_listed_without_their_values(program: Program):
    _, secrets = program.get("/secrets")

    assert [one["name"] for one in secrets["items"]] == ["stripe_key"]
    assert "a secret of the test" not in str(secrets)


def test_a_users_rule_hides_jobs_from_everything(program: Program, namespace: str, valkey_url: str):
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "ADMIN_QUERYSET": _nothing_of_ann}
    job, letter = waiting(), failed()

    with override_settings(UPNEXT=own):
        _, jobs = program.get("/jobs")
        _, letters = program.get("/dlq")
        refused = [
            program.get(f"/jobs/{job}")[0],
            program.get(f"/jobs/{job}/tree")[0],
            program.post(f"/jobs/{job}/cancel")[0],
            program.post(f"/jobs/{letter}/retry")[0],
            program.post(f"/dlq/{letter}/replay")[0],
            program.post(f"/dlq/{letter}/discard")[0],
        ]
        _, many = program.post("/dlq/replay", {"function": FUNCTION})

    assert (jobs["items"], letters["items"], many["done"]) == ([], [], [])
    assert refused == [404] * 6


def _nothing_of_ann(request: Any, rows: Any) -> Any:
    return rows.none() if request.user.get_username() == "ann" else rows
