"""Requests that nobody means to send, or while something else is away: never a 500, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client

import upnext_django as upnext
from tests.api.asking import Program
from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.declare.registry import registry
from upnext_django.models import JobRecord, Schedule
from upnext_django.operations import audit

pytestmark = pytest.mark.usefixtures("things")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with registry.isolated():
        yield


def failed() -> str:
    return str(JobRecord.objects.filter(status="failed").order_by("id")[0].pk)


def form(client: Client, path: str, **headers: str) -> int:
    """Post a form as a page of the site would, with its CSRF token."""
    token = _get_new_csrf_string()
    client.cookies["csrftoken"] = token
    return client.post(f"/api/v1{path}", {"csrfmiddlewaretoken": token}, headers=headers).status_code


def test_a_form_where_json_is_meant_is_refused(things: Lab, browser: Callable[..., Client]):
    client = browser("retry_job", "cancel_job", "run_schedule", "view_payload")

    codes = [
        form(client, f"/jobs/{failed()}/retry"),
        form(client, f"/jobs/{failed()}/retry", **{"idempotency-key": "k"}),
        form(client, f"/jobs/{failed()}/cancel"),
        form(client, "/schedules/nightly/run", **{"idempotency-key": "k"}),
    ]

    assert codes == [422] * 4
    assert things.run(b"XLEN", things.keys.stream(f"stream:{FUNCTION}:1")) == 1


@pytest.mark.parametrize(
    "fields",
    [{"args": ["a\x00"]}, {"kwargs": {"to": {"a\x00": 1}}}, {"function": "a\x00"}, {"name": "a\x00"}],
    ids=str,
)
def test_a_schedule_with_a_nul_is_refused(program: Program, fields: dict[str, Any]):
    worker = upnext.Worker(QUEUE)

    @worker.task
    def send(*args: Any, to: Any = None) -> None: ...

    new = {"name": "x", "function": str(send.name), "expression": "@daily", **fields}

    status, problem = program.post("/schedules", new)

    assert (status, bool(problem["errors"])) == (422, True)
    assert list(Schedule.objects.values_list("name", flat=True)) == ["nightly"]


def test_an_edit_that_is_nested_too_deep_is_refused(program: Program):
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]

    status, problem = program.post(f"/jobs/{failed()}/retry", {"args": deep})

    assert status == 422
    assert "deeper than 32 levels" in problem["detail"]


def test_everybody_is_served_while_the_cache_that_counts_is_away(program: Program, settings: Any):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }

    assert program.get("/jobs")[0] == 200


def test_the_same_key_makes_one_job_though_the_audit_failed(
    program: Program, monkeypatch: pytest.MonkeyPatch
):
    worker = upnext.Worker(QUEUE)

    @worker.task(api=True)
    def pay(number: int) -> None: ...

    def away(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the disk is full")

    path = f"/functions/{pay.name}/submit"
    with monkeypatch.context() as patched:
        patched.setattr(audit, "note", away)
        with pytest.raises(DatabaseError, match="the disk is full"):
            program.post(path, {"args": [1]}, key="k")
    status, made = program.post(path, {"args": [1]}, key="k")
    again = program.post(path, {"args": [1]}, key="k")[1]

    assert (status, again) == (202, made)
    (line,) = [one for one in get_broker().inspector.lines(QUEUE)[0] if one.function == pay.name]
    assert line.waiting == 1
