"""Run a function by hand, with and without its code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

import upnext_django as upnext
from tests.broker.lab import Lab
from upnext_django.connection import get_broker
from upnext_django.core.job import LiveJob
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError, UnknownQueue, UnknownTask
from upnext_django.models import FunctionRecord
from upnext_django.operations.run_now import queues_for, run_now

ELSEWHERE = "elsewhere.tasks.pay"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with registry.isolated():
        yield


def job(job_id: str) -> LiveJob:
    live = get_broker().job_sync(job_id)
    assert live is not None
    return live


def a_task(**options: Any) -> Any:
    worker = upnext.Worker("mail")

    @worker.task(**options)
    def send(to: str, when: date | None = None) -> None: ...

    return send


def registered(**definition: Any) -> None:
    """Have the history say what a worker elsewhere registered."""
    facts = {
        "function": ELSEWHERE,
        "function_name": "pay",
        "queue": "mail",
        "kind": "task",
        "retries": 2,
        "timeout": 30.0,
        "priority": 0,
        "parameters": [{"name": "order", "kind": "either", "required": True, "annotation": "int"}],
        **definition,
    }
    FunctionRecord.objects.create(
        function=ELSEWHERE, function_name="pay", queue="mail", definition=facts, seen_at=timezone.now()
    )


def test_a_task_is_submitted_with_its_options(lab: Lab, caplog: pytest.LogCaptureFixture):
    send = a_task(retries=4)

    with caplog.at_level(logging.INFO, "upnext.operations"):
        job_id = run_now(send.name, [], {"to": "ada"}, by="grace", priority=7, delay=60)

    live = job(job_id)
    assert (live.queue, str(live.status)) == ("mail", "scheduled")
    assert bytes(live.envelope.args) == b'[[],{"to":"ada"}]'
    assert (live.envelope.priority, live.envelope.max_attempts) == (7, 5)
    assert f"run by hand as job {job_id} by grace" in caplog.text


def test_a_task_can_be_sent_to_another_queue(lab: Lab):
    send = a_task()
    upnext.Worker("other")

    assert job(run_now(send.name, ["ada"], queue="other")).queue == "other"
    with pytest.raises(UnknownQueue, match="nowhere"):
        run_now(send.name, ["ada"], queue="nowhere")


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ([], {}, TypeError),
        (["ada"], {"too": 1}, TypeError),
        (["ada"], {"when": "no date"}, ArgumentError),
    ],
)
def test_a_call_that_does_not_fit_is_refused_before_it_is_sent(
    lab: Lab, args: list[Any], kwargs: dict[str, Any], error: type[Exception]
):
    send = a_task()

    with pytest.raises(error):
        run_now(send.name, args, kwargs)
    assert lab.run(b"EXISTS", lab.keys.events) == 0


def test_what_only_a_worker_elsewhere_has_is_run_from_its_registration(lab: Lab):
    registered(priority=3)

    live = job(run_now(ELSEWHERE, [], {"order": 7}))

    assert (live.queue, str(live.status)) == ("mail", "queued")
    envelope = live.envelope
    assert (envelope.function, envelope.function_name) == (ELSEWHERE, "pay")
    assert (envelope.max_attempts, envelope.timeout, envelope.priority) == (3, 30.0, 3)


def test_its_call_is_checked_too(lab: Lab):
    registered()

    with pytest.raises(TypeError, match="missing a required argument: 'order'"):
        run_now(ELSEWHERE)
    with pytest.raises(UnknownQueue, match="cannot be sent to 'nowhere'"):
        run_now(ELSEWHERE, [7], queue="nowhere")
    with pytest.raises(ValueError, match="priority"):
        run_now(ELSEWHERE, [7], priority=1000)
    assert lab.run(b"EXISTS", lab.keys.events) == 0


def test_a_function_that_nothing_knows_is_refused(lab: Lab):
    with pytest.raises(UnknownTask, match="no worker has registered it"):
        run_now(ELSEWHERE)


def test_a_function_with_limits_has_its_own_queue_only(lab: Lab):
    upnext.Worker("other")

    assert queues_for({"queue": "mail"}) == ["mail", "default", "other"]
    for option in ("rate_limit", "max_concurrency", "cache_key"):
        assert queues_for({"queue": "mail", option: 1}) == ["mail"]
