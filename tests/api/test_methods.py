"""What the addresses of the API do with methods that no operation names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.test import Client

from tests.broker.lab import Lab


@pytest.fixture
def authorization(things: Lab, person: Callable[..., User], token_of: Callable[..., str]) -> dict[str, str]:
    return {"authorization": f"Bearer {token_of(person('view_jobrecord', 'view_overview'), 'read')}"}


@pytest.mark.parametrize("path", ["health", "jobs", "jobs/stats", "metrics"])
def test_head_is_get_without_its_body(client: Client, authorization: dict[str, str], path: str):
    head = client.head(f"/api/v1/{path}", headers=authorization)

    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"] == client.get(f"/api/v1/{path}", headers=authorization)["Content-Type"]


def test_head_is_for_those_who_may_look(client: Client, things: Lab):
    assert client.head("/api/v1/jobs").status_code == 401


async def test_head_of_the_stream_ends_at_once(authorization: dict[str, str]):
    headers = [(b"host", b"testserver"), *((k.encode(), v.encode()) for k, v in authorization.items())]
    scope = {"type": "http", "method": "HEAD", "path": "/api/v1/events/stream", "headers": headers}
    app: Any = ApplicationCommunicator
    site = app(get_asgi_application(), {**scope, "query_string": b""})

    await site.send_input({"type": "http.request"})
    start, end = await site.receive_output(10), await site.receive_output(10)

    assert (start["status"], dict(start["headers"])[b"Content-Type"]) == (200, b"text/event-stream")
    assert (end.get("body", b""), end.get("more_body", False)) == (b"", False)
    await site.wait(10)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "jobs", "GET, HEAD"),
        ("POST", "health", "GET, HEAD"),
        ("HEAD", "events/order.placed/send", "POST"),
        ("GET", "events/order.placed/send", "POST"),
    ],
)
def test_other_methods_are_told_what_there_is(client: Client, method: str, path: str, allowed: str):
    answer = client.generic(method, f"/api/v1/{path}")

    assert (answer.status_code, answer["Allow"]) == (405, allowed)
    assert answer["Content-Type"] == "application/problem+json"
