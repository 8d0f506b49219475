"""``UPNEXT["ADMIN_QUERYSET"]`` over the API: a caller who may see a part of the jobs hears of no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

import upnext_django as upnext
from tests.admin.rows import a_function
from tests.api.asking import Program
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob
from upnext_django.declare.registry import registry
from upnext_django.models import (
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    Schedule,
    StatRecord,
    WorkerRecord,
)

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

OURS, THEIRS = "blue.tasks.pay", "red.tasks.refund"
#: With the queue that each is registered for, and the one where a job of it waits.
FUNCTIONS = (
    (OURS, "blue", "blue"),
    (THEIRS, "red", "red"),
    ("blue.tasks.mix", "blue", "both"),
    ("red.tasks.mix", "both", "both"),
)
COUNTED = ("slots", "used", "suspects", "scheduled", "retrying", "dead", "events", "lanes")


def only_the_blue_jobs(request: Any, rows: Any) -> Any:
    return rows.filter(queue="blue") if rows.model is JobRecord else rows


def all_that_is_blue(request: Any, rows: Any) -> Any:
    """The rule of a project that thought of everything."""
    if rows.model in (JobRecord, DeadLetterRecord, StatRecord, FunctionRecord):
        return rows.filter(queue="blue")
    if rows.model is WorkerRecord:
        return rows.filter(id__startswith="blue")
    return rows


def nobody_is_bounded(request: Any, rows: Any) -> Any:
    return rows


@pytest.fixture
def under(valkey_url: str, namespace: str) -> Callable[[Any], Any]:
    """Give what sets the project's rule, for a ``with``."""
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace}

    def set_rule(rule: Any) -> Any:
        return override_settings(UPNEXT={**own, "ADMIN_QUERYSET": f"{__name__}.{rule.__name__}"})

    return set_rule


@pytest.fixture(autouse=True)
def _two_tenants(under: Callable[[Any], Any]) -> None:
    """Each has a function with a waiting job and counts, in a queue of its own and in one of both."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    jobs = []
    for function, home, queue in FUNCTIONS:
        name = function.rpartition(".")[2]
        facts = {"function": function, "function_name": name, "kind": "task", "queue": home}
        a_function(function, queue=home, definition={**facts, "api": True, "parameters": []})
        jobs.append(NewJob(id=new_job_id(queue), queue=queue, function=function, envelope=b'{"fn":"x"}'))
        StatRecord.objects.create(
            period=3_600, start=hour, function=function, queue=home, outcome="complete", bound_ms=100, jobs=7
        )
    with under(nobody_is_bounded):
        get_broker().submit_sync(jobs)


def test_without_a_rule_that_narrows_all_is_told(program: Program, under: Callable[[Any], Any]):
    with under(nobody_is_bounded):
        _, queues = program.get("/queues")
        _, stats = program.get("/jobs/stats")
        _, functions = program.get("/functions")

    assert {one["name"] for one in queues["items"]} == {"blue", "red", "both"}
    assert all(one[name] is not None for one in queues["items"] for name in COUNTED)
    assert not any(one["is_shared"] for one in queues["items"])
    assert stats["numbers"]["ended"] == 28
    assert {one["last_day"]["ended"] for one in functions["items"]} == {7}


def test_a_rule_of_jobs_alone_tells_nothing_of_queues_and_numbers(
    program: Program, under: Callable[[Any], Any]
):
    with under(only_the_blue_jobs):
        _, queues = program.get("/queues")
        one_queue = program.get("/queues/blue")[0]
        pauses = [program.post(f"/queues/blue/{verb}")[0] for verb in ("pause", "resume")]
        refused = [program.get(path) for path in ("/jobs/stats", "/jobs/trends", "/metrics")]
        _, functions = program.get("/functions")
        _, function = program.get(f"/functions/{OURS}")

    assert (queues["items"], one_queue, pauses) == ([], 404, [403, 403])
    assert [status for status, _ in refused] == [403] * 3
    assert "StatRecord" in refused[0][1]["detail"]
    assert [one["last_day"] for one in [*functions["items"], function]] == [None] * 5


def test_a_rule_of_functions_tells_of_their_part_of_each_queue(program: Program, under: Callable[[Any], Any]):
    with under(all_that_is_blue):
        _, queues = program.get("/queues")
        theirs = program.get("/queues/red")[0]

    by_name = {one["name"]: one for one in queues["items"]}
    assert by_name.keys() == {"blue", "both"}
    assert theirs == 404
    assert [one["function"] for one in by_name["both"]["functions"]] == ["blue.tasks.mix"]
    assert (by_name["both"]["waiting"], by_name["both"]["is_shared"], by_name["blue"]["is_shared"]) == (
        1,
        True,
        False,
    )
    assert all(one[name] is None for one in queues["items"] for name in COUNTED)


def test_only_a_queue_of_ones_own_is_paused(program: Program, under: Callable[[Any], Any]):
    with under(all_that_is_blue):
        ours, changed = program.post("/queues/blue/pause")
        others = {name: program.post(f"/queues/{name}/pause") for name in ("both", "red", "none")}
        _, resumed = program.post("/queues/blue/resume")

    assert (ours, changed, resumed) == (200, {"changed": True}, {"changed": True})
    assert {status for status, _ in others.values()} == {403}
    assert "both" in others["both"][1]["detail"]
    with under(nobody_is_bounded):
        _, queues = program.get("/queues")
    assert not any(one["paused"] for one in queues["items"])


def test_numbers_are_those_of_the_counts_that_the_rule_leaves(program: Program, under: Callable[[Any], Any]):
    with under(all_that_is_blue):
        _, stats = program.get("/jobs/stats")
        _, of_theirs = program.get("/jobs/stats", function=THEIRS)
        _, trends = program.get("/jobs/trends")
        _, functions = program.get("/functions")

    assert stats["numbers"]["ended"] == 14
    assert of_theirs["numbers"]["ended"] == 0
    assert sum(point["numbers"]["ended"] for point in trends["points"]) == 14
    assert {one["function"]: one["last_day"]["ended"] for one in functions["items"]}[OURS] == 7


def test_metrics_count_everybody_and_are_refused(program: Program, under: Callable[[Any], Any]):
    with under(all_that_is_blue):
        refused, problem = program.get("/metrics")
    with under(nobody_is_bounded):
        given = program.raw("/metrics")

    assert (refused, given.status_code) == (403, 200)
    assert "part of the jobs" in problem["detail"]


@pytest.mark.parametrize(
    ("function", "more", "status"),
    [
        (OURS, {}, 202),
        (OURS, {"queue": "red"}, 403),
        (THEIRS, {}, 404),
    ],
    ids=["one's own", "to a queue of others", "of others"],
)
def test_jobs_are_submitted_of_ones_own_functions_to_their_queues(
    program: Program, under: Callable[[Any], Any], function: str, more: dict[str, Any], status: int
):
    with under(all_that_is_blue):
        found, _ = program.post(f"/functions/{function}/submit", more)

    assert found == status


def test_schedules_are_made_of_ones_own_functions(program: Program, under: Callable[[Any], Any]):
    fields = {"name": "nightly", "expression": "@daily"}
    with registry.isolated():
        worker = upnext.Worker("blue")

        @worker.task
        def tidy() -> None: ...

        ours = {**fields, "function": tidy.definition.function}
        a_function(ours["function"], queue="blue", definition={})
        with under(all_that_is_blue):
            of_others, problem = program.post("/schedules", {**fields, "function": THEIRS})
            elsewhere, _ = program.post("/schedules", {**ours, "queue": "red"})
            added, _ = program.post("/schedules", ours)
            changed, _ = program.patch("/schedules/nightly", {"function": THEIRS})

    assert (of_others, elsewhere, added, changed) == (422, 403, 201, 422)
    assert problem["errors"][0]["field"] == "body.function"
    assert list(Schedule.objects.values_list("function", flat=True)) == [ours["function"]]
