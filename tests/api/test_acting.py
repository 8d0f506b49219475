"""What the API does: to jobs, dead letters, functions, queues, schedules and secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.utils import timezone

import upnext_django as upnext
from tests.api.asking import Program
from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.core.job import LiveJob
from upnext_django.declare.registry import registry
from upnext_django.models import FunctionRecord, JobRecord, Schedule

pytestmark = [pytest.mark.databases, pytest.mark.usefixtures("things")]

Person = Callable[..., User]
TokenOf = Callable[..., str]


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def operator(things: Lab, person: Person, token_of: TokenOf) -> Program:
    """Give a program that may operate, and not see payloads."""
    return Program(token_of(person("*", name="eve"), "read", "operate"))


def failed() -> str:
    return str(JobRecord.objects.get(status="failed").pk)


def waiting() -> str:
    return str(JobRecord.objects.get(status="queued").pk)


def live(job_id: str) -> LiveJob:
    found = get_broker().job_sync(job_id)
    assert found is not None
    return found


def a_task(**options: object) -> str:
    """Declare a task that the API may start, and return its identity."""
    worker = upnext.Worker(QUEUE)

    @worker.task(**{"api": True, **options})  # type: ignore[call-overload,untyped-decorator]
    def send(to: str, times: int = 1, when: date | None = None) -> None: ...

    return str(send.name)


def a_record(function: str, **definition: object) -> None:
    """Have the history say that a worker registered a function."""
    facts = {"function": function, "function_name": "send", "queue": QUEUE, **definition}
    columns = {"queue": QUEUE, "definition": facts, "seen_at": timezone.now()}
    FunctionRecord.objects.update_or_create(function=function, defaults=columns)


def test_a_job_is_submitted_with_its_options(operator: Program):
    status, made = operator.post(
        f"/functions/{a_task()}/submit", {"args": ["ada"], "kwargs": {"times": 2}, "delay": 60, "priority": 5}
    )

    job = live(made["job_id"])
    assert (status, str(job.status), job.envelope.priority) == (202, "scheduled", 5)
    assert bytes(job.envelope.args) == b'[["ada"],{"times":2}]'


def test_a_function_without_api_is_not_submitted(program: Program):
    name = a_task(api=False)

    status, problem = program.post(f"/functions/{name}/submit", {"args": ["ada"]})

    assert status == 403
    assert "api=True" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"args": ["ada"], "kwargs": {"nobody": 1}}, "body"),
        ({"args": ["ada"], "kwargs": {"when": "no date"}}, "body.when"),
        ({"args": ["ada"], "queue": "no such"}, "body.queue"),
        ({"args": ["ada"], "delay": -1}, "body.delay"),
        ({"args": ["ada"], "priority": 101}, "body.priority"),
        ({"args": ["ada"], "dealy": 1}, "body.dealy"),
        ({"args": "ada"}, "body.args"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_with_its_field(
    program: Program, body: dict[str, object], field: str
):
    status, problem = program.post(f"/functions/{a_task()}/submit", body)

    assert (status, [one["field"] for one in problem["errors"]]) == (422, [field])


def test_a_body_that_is_no_json_is_refused(program: Program):
    name = a_task()

    for text in ("{", '{"args": [NaN]}', "[" * 100_000, '"\\ud800"'):
        status, _ = program.post(f"/functions/{name}/submit", text)
        assert (text[:20], status) in ((text[:20], 400), (text[:20], 422))


def test_a_body_that_is_too_long_is_refused(program: Program):
    status, problem = program.post(f"/functions/{a_task()}/submit", {"args": ["x" * 3_000_000]})

    assert (status, problem["status"]) == (413, 413)


def test_the_same_key_gives_the_same_job(program: Program, operator: Program):
    path, body = f"/functions/{a_task()}/submit", {"args": ["ada"]}

    _, first = program.post(path, body, key="k1")
    _, second = program.post(path, body, key="k1")
    _, another = program.post(path, body, key="k2")
    _, of_another = operator.post(path, body, key="k1")
    status, problem = program.post(path, {"args": ["bob"]}, key="k1")

    assert first == second
    assert len({made["job_id"] for made in (first, another, of_another)}) == 3
    assert (status, problem["errors"][0]["field"]) == (422, "header.Idempotency-Key")


def test_a_request_that_is_refused_does_not_use_its_key_up(program: Program):
    path = f"/functions/{a_task()}/submit"

    refused, _ = program.post(path, {"args": []}, key="k1")
    status, _ = program.post(path, {"args": ["ada"]}, key="k1")

    assert (refused, status) == (422, 202)


def test_the_same_key_at_the_same_time_gives_the_same_job(program: Program):
    path = f"/functions/{a_task()}/submit"

    def ask(_: int) -> str:
        try:
            return str(program.post(path, {"args": ["ada"]}, key="k1")[1]["job_id"])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(ask, range(12)))

    assert len(found) == 1


def test_a_request_that_was_cut_short_is_finished_by_the_next_of_its_key(program: Program, things: Lab):
    """The process died after the submit and before it noted the answer: the key has no jobs yet."""
    path, body = f"/functions/{a_task()}/submit", {"args": ["ada"]}
    _, first = program.post(path, body, key="k1")
    (key,) = things.run(b"KEYS", b"*once:*")
    text = things.run(b"GET", key)
    begun = text.partition(b',"jobs"')[0] + b"}"
    things.run(b"SET", key, begun)

    _, second = program.post(path, body, key="k1")

    assert second == first


def test_an_event_reaches_its_handlers_once_for_each_key(program: Program):
    placed = upnext.event("order.placed")

    @placed.on(api=True)
    def pack(order_id: int) -> None: ...

    @placed.on(api=True)
    def thank(order_id: int) -> None: ...

    status, sent = program.post("/events/order.placed/send", {"data": {"order_id": 7}}, key="k1")
    _, again = program.post("/events/order.placed/send", {"data": {"order_id": 7}}, key="k1")
    lacking, _ = program.post("/events/order.placed/send", {"data": {}})
    nobody, _ = program.post("/events/order.lost/send", {"data": {}})

    assert (status, len(set(sent["job_ids"]))) == (202, 2)
    assert again == sent
    assert (lacking, nobody) == (422, 404)


def test_an_event_is_not_sent_to_a_handler_without_api(program: Program):
    placed = upnext.event("order.placed")

    @placed.on(api=True)
    def pack(order_id: int) -> None: ...

    @placed.on
    def internal(order_id: int) -> None: ...

    status, problem = program.post("/events/order.placed/send", {"data": {"order_id": 7}})

    assert status == 403
    assert "internal" in problem["detail"]
    assert "pack" not in problem["detail"]


def test_a_job_is_cancelled_once(program: Program):
    job = waiting()

    status, cancelled = program.post(f"/jobs/{job}/cancel")
    again, problem = program.post(f"/jobs/{job}/cancel", {"tree": False})

    assert (status, cancelled) == (200, {"cancelled": True})
    assert str(live(job).status) == "cancelled"
    assert (again, problem["state"]) == (409, "cancelled")


def test_a_failed_job_is_retried_once(program: Program):
    job = failed()

    status, made = program.post(f"/jobs/{job}/retry", key="k1")
    _, again = program.post(f"/jobs/{job}/retry", key="k1")
    refused, problem = program.post(f"/jobs/{job}/retry")

    assert (status, live(made["job_id"]).envelope.replay_of) == (202, job)
    assert again == made
    assert (refused, problem["state"]) == (409, f"replayed as {made['job_id']}")


def test_a_dead_letter_is_replayed_with_other_arguments(program: Program, operator: Program):
    letter = failed()
    parameters = [
        {"name": "order", "kind": "either", "required": True},
        {"name": "note", "kind": "keyword", "required": False},
    ]
    a_record(FUNCTION, parameters=parameters)
    edit = {"kwargs": {"note": "another"}}

    refused, _ = operator.post(f"/dlq/{letter}/replay", edit)
    status, made = program.post(f"/dlq/{letter}/replay", edit)

    assert refused == 403
    assert status == 202, made
    assert bytes(live(made["job_id"]).envelope.args) == b'[[7],{"note":"another"}]'


def test_a_dead_letter_is_discarded(program: Program):
    letter = failed()

    status, _ = program.post(f"/dlq/{letter}/discard")
    refused, problem = program.post(f"/dlq/{letter}/replay")

    assert status == 200
    assert (refused, problem["state"]) == (409, "discarded")


def test_dead_letters_are_replayed_by_a_filter(program: Program):
    letter = failed()

    nothing, _ = program.post("/dlq/replay", {})
    _, none = program.post("/dlq/replay", {"error_type": "KeyError"})
    status, many = program.post("/dlq/replay", {"function": FUNCTION, "job_ids": [letter]})

    assert (nothing, none["done"]) == (422, [])
    assert (status, [one["job_id"] for one in many["done"]], many["more"]) == (200, [letter], False)
    assert live(many["done"][0]["new_job_id"]).envelope.replay_of == letter


def test_dead_letters_are_discarded_by_a_filter(program: Program):
    letter = failed()

    status, many = program.post("/dlq/discard", {"queue": QUEUE})

    assert (status, [one["job_id"] for one in many["done"]]) == (200, [letter])


def test_queues_and_functions_are_paused_and_resumed(program: Program):
    name = a_task()
    a_record(name)

    found = [
        program.post(f"/{what}/{how}")
        for what in (f"queues/{QUEUE}", f"functions/{name}")
        for how in ("pause", "pause", "resume", "resume")
    ]

    assert found == [(200, {"changed": changed}) for changed in (True, False, True, False)] * 2


def test_a_worker_is_told_what_to_do(program: Program, things: Lab):
    facts = b'{"state": "running", "queues": ["mail"], "seen_ms": 9999999999999}'
    things.run(b"HSET", get_broker().names.workers, b"w1", facts)

    found = [program.post(f"/workers/w1/{order}") for order in ("quiet", "resume", "stop")]
    missing, _ = program.post("/workers/w2/quiet")

    assert found == [(202, {"state": state}) for state in ("quiet", "running", "stopping")]
    assert missing == 404


def test_a_schedule_lives_its_life(program: Program):
    name = a_task()
    new = {"name": "a/b nightly", "function": name, "expression": "0 3 * * *", "args": ["ada"]}

    added, schedule = program.post("/schedules", new)
    twice, _ = program.post("/schedules", new)
    changed, after = program.patch(
        "/schedules/a%2Fb nightly", {"expression": "@daily", "revision": schedule["revision"]}
    )
    stale, problem = program.patch("/schedules/a/b nightly", {"paused_": True})
    old, _ = program.patch("/schedules/a/b nightly", {"priority": 1, "revision": schedule["revision"]})
    paused, _ = program.post("/schedules/a/b nightly/pause")
    ran, made = program.post("/schedules/a/b nightly/run", key="k1")
    _, again = program.post("/schedules/a/b nightly/run", key="k1")
    resumed, _ = program.post("/schedules/a/b nightly/resume")
    deleted, nothing = program.delete("/schedules/a/b nightly")
    gone, _ = program.get("/schedules/a/b nightly")

    assert (added, twice, changed, stale, old) == (201, 422, 200, 422, 409)
    assert (schedule["arguments"]["args"], after["expression"]) == (["ada"], "@daily")
    assert problem["errors"][0]["field"] == "body.paused_"
    assert (paused, ran, resumed, deleted, nothing, gone) == (200, 202, 200, 204, None, 404)
    assert made == again
    assert live(made["job_id"]).envelope.schedule == "a/b nightly"


@pytest.mark.parametrize(
    "wrong",
    [
        {"expression": "every day"},
        {"function": "no.such.function"},
        {"timezone": "Mars/Olympus"},
        {"kwargs": {"nobody": 1}},
        {"priority": 1000},
        {"queue": "no such"},
        {"starts_at": "2026-01-01T00:00:00"},
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(program: Program, wrong: dict[str, object]):
    new = {"name": "x", "function": a_task(), "expression": "@daily", "args": ["ada"], **wrong}

    status, problem = program.post("/schedules", new)

    assert status == 422
    assert problem["errors"]
    assert not Schedule.objects.filter(name="x").exists()


def test_a_cron_in_code_is_paused_and_not_changed(program: Program):
    worker = upnext.Worker(QUEUE)

    @worker.cron("0 3 * * *")
    def clean() -> None: ...

    path = f"/schedules/{clean.name}"
    paused = program.post(f"{path}/pause")
    changed, problem = program.patch(path, {"expression": "@daily"})
    deleted, _ = program.delete(path)
    _, shown = program.get(path)

    assert paused == (200, {"changed": True})
    assert (changed, deleted, problem["state"]) == (409, 409, "declared")
    assert (shown["declared"], shown["paused"], shown["next_runs"]) == (True, True, [])


def test_a_secret_is_set_and_deleted_and_never_shown(program: Program):
    created = program.put("/secrets/github_key", {"value": "hunter2"})
    replaced = program.put("/secrets/GITHUB_KEY", {"value": "hunter3"})
    wrong, _ = program.put("/secrets/no-name", {"value": "x"})
    empty, problem = program.put("/secrets/github_key", {"value": ""})
    _, listed = program.get("/secrets")
    deleted, _ = program.delete("/secrets/github_key")
    gone, _ = program.delete("/secrets/github_key")

    assert (created, replaced) == ((200, {"created": True}), (200, {"created": False}))
    assert (wrong, empty, deleted, gone) == (422, 422, 204, 404)
    assert "hunter" not in str(listed) + str(problem)


def test_what_a_program_does_is_in_the_history_with_its_token(program: Program):
    program.post(f"/jobs/{waiting()}/cancel")

    entry = LogEntry.objects.get(user__username="ann")
    assert entry.change_message.startswith("Cancelled (API token robot (")


def test_nothing_is_done_while_redis_is_away(program: Program, namespace: str):
    name, job = a_task(), waiting()
    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1", "NAMESPACE": namespace}):
        found = [
            program.post(f"/functions/{name}/submit", {"args": ["ada"]}, key="k1"),
            program.post(f"/jobs/{job}/cancel"),
            program.post(f"/queues/{QUEUE}/pause"),
        ]

    assert [status for status, _ in found] == [503, 503, 503]
