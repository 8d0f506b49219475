"""What the API shows of a job before it has a row is what it shows when it has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User

import upnext_django as upnext
from tests.api.asking import Program
from tests.broker.lab import FUNCTION, QUEUE, Lab
from tests.things import mirror
from upnext_django.core.job import Envelope, SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.declare.registry import registry

pytestmark = [pytest.mark.databases, pytest.mark.usefixtures("things")]

Person = Callable[..., User]
TokenOf = Callable[..., str]

NUMBER = "4111 1111 1111 1111"


def before_and_after(program: Program, job_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the job as it is shown from Redis, and from its row."""
    before = program.get(f"/jobs/{job_id}")[1]
    mirror()
    after = program.get(f"/jobs/{job_id}")[1]
    assert (before["in_history"], after["in_history"]) == (False, True)
    return before, after


def test_sensitive_arguments_are_masked_and_secrets_redacted(program: Program, reader: Program):
    """It was shown without any payload, also to those who may see it."""
    with registry.isolated():
        worker = upnext.Worker(QUEUE)

        @worker.task(sensitive=["card"])
        def pay(order: int, card: str, login: dict[str, str]) -> None: ...

        options = pay.options(meta={"tenant": "a", "api_key": "k-4711"})
        job_id = options.submit_sync(7, NUMBER, login={"user": "ann", "password": "hunter2"}).job_id

    before, after = before_and_after(program, job_id)

    assert before["payload"] == after["payload"]
    assert before["payload"] == {
        "arguments": {
            "args": [7, "[hidden]"],
            "kwargs": {"login": {"user": "ann", "password": "[redacted]"}},
        },
        "result": None,
        "checkpoint": None,
        "meta": {"tenant": "a", "api_key": "[redacted]"},
    }
    assert [secret for secret in (NUMBER, "hunter2", "k-4711") if secret in str(before)] == []


def test_payloads_need_their_scope_before_there_is_a_row_too(program: Program, reader: Program, things: Lab):
    call = msgspec.Raw(b'[[7],{"note":"for the reader"}]')
    job_id = things.submit_one(envelope=msgspec.json.encode(Envelope(function=FUNCTION, args=call)))

    hidden, shown = reader.get(f"/jobs/{job_id}")[1], program.get(f"/jobs/{job_id}")[1]

    assert hidden["payload"] is None
    assert "for the reader" not in str(hidden)
    assert shown["payload"]["arguments"] == {"args": [7], "kwargs": {"note": "for the reader"}}


def test_what_came_out_of_a_job_is_shown_at_once(program: Program, things: Lab):
    for waiting in things.claim(10).jobs:
        things.settle(waiting.id, waiting.token, JobStatus.COMPLETE)
    claimed = things.claim_one(
        envelope=msgspec.json.encode(Envelope(function=FUNCTION, args=msgspec.Raw(b'[["a\\u0000b"],{}]')))
    )
    said = {"checkpoint": {"page": 3}}
    things.report(
        claimed.id, claimed.token, data=msgspec.json.encode(said), checkpoint=msgspec.json.encode({"page": 3})
    )
    things.settle(
        claimed.id,
        claimed.token,
        JobStatus.COMPLETE,
        msgspec.json.encode(SettleData(attempt=1, started_ms=1, result=msgspec.Raw(b'{"sum": 12.5}'))),
        ttl_ms=3_600_000,
    )

    before, after = before_and_after(program, claimed.id)

    assert before["payload"] == after["payload"]
    assert before["payload"] == {
        "arguments": {"args": ["a\ufffdb"], "kwargs": {}},
        "result": {"sum": 12.5},
        "checkpoint": {"page": 3},
        "meta": None,
    }


@pytest.mark.parametrize(
    ("envelope", "arguments"),
    [
        (Envelope(function=FUNCTION, args=msgspec.Raw(b'{"no": "call"}')), None),
        (
            Envelope(function=FUNCTION, args=msgspec.Raw(b'"encrypted"'), sealed=True),
            {"args": [], "kwargs": {}, "sealed": True},
        ),
    ],
    ids=["no call", "encrypted without a copy to show"],
)
def test_what_cannot_be_shown_is_left_out(
    program: Program, things: Lab, envelope: Envelope, arguments: dict[str, Any] | None
):
    job_id = things.submit_one(envelope=msgspec.json.encode(envelope))

    before, after = before_and_after(program, job_id)

    assert before["payload"] == after["payload"]
    assert before["payload"]["arguments"] == arguments
