"""Sentry: what a transport is given for jobs that fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from tests.broker.lab import FUNCTION, QUEUE, Lab
from tests.contrib import surrounded
from tests.contrib.conftest import running
from tests.waiting import wait_until
from upnext_django import TaskExecutionError, TaskHandle, signals
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.contrib.sentry import UpNextIntegration
from upnext_django.runtime.process import WorkerProcess


class Kept(Transport):
    """Keeps the events instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(dict(event))


@pytest.fixture(autouse=True)
def no_receivers_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else hears of the jobs: Sentry reports what a receiver of another test's module raises."""
    for signal in (signals.job_started, signals.job_succeeded, signals.job_failed, signals.job_retried):
        monkeypatch.setattr(signal, "receivers", [])
    monkeypatch.setattr(signals.job_timed_out, "receivers", [])


@pytest.fixture(autouse=True)
def started_in_a_page() -> Iterator[None]:
    """Have the worker start where a page is served: Sentry's scopes go over into its threads."""
    sentry_sdk.init("http://key@127.0.0.1:1/1", transport=Kept())
    with sentry_sdk.isolation_scope():
        sentry_sdk.get_current_scope().set_transaction_name("/a/page/", source="route")
        yield


@pytest.fixture
def sent(worker: WorkerProcess, reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the events that Sentry would have been sent of jobs in ``surrounded``."""
    return reports


@pytest.fixture
def reports() -> Iterator[list[dict[str, Any]]]:
    """Give the events that Sentry would have been sent."""
    transport = Kept()
    sentry_sdk.init(
        "http://key@127.0.0.1:1/1",
        transport=transport,
        integrations=[UpNextIntegration()],
        traces_sample_rate=0.0,
    )
    yield transport.events
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.init()


def failed(task: TaskHandle[..., Any], *args: Any) -> str:
    """Have a job fail and return its id."""
    with pytest.raises(TaskExecutionError) as raised:
        task.wait_sync(*args)
    return raised.value.job_id


@pytest.mark.parametrize(
    "task", [surrounded.fails, surrounded.fails_sync], ids=lambda task: task.function_name
)
def test_a_final_failure_is_reported_once_with_the_jobs_tags(
    sent: list[dict[str, Any]], task: TaskHandle[[int], Any]
):
    job_id = failed(task, 7)

    (event,) = sent
    (value,) = event["exception"]["values"]
    assert (value["type"], value["value"]) == ("Spoilt", "number 7")
    assert value["mechanism"]["handled"] is False
    assert value["stacktrace"]["frames"][-1]["function"] == task.function_name
    assert event["tags"] == {
        "upnext.job_id": job_id,
        "upnext.root_id": job_id,
        "upnext.function": task.name,
        "upnext.queue": "surrounded",
        "upnext.attempt": 1,
    }
    assert event["transaction"] == task.name


def test_sensitive_arguments_are_in_no_report(sent: list[dict[str, Any]]):
    failed(surrounded.charges, "tulip rose tulip")

    (event,) = sent
    assert event["exception"]["values"][0]["value"].startswith("declined: ")
    assert "tulip" not in json.dumps(event, default=str)


def test_what_is_tried_again_is_not_reported(sent: list[dict[str, Any]]):
    assert surrounded.recovers.wait_sync().value == 2

    assert sent == []


def test_a_timeout_is_reported_once(sent: list[dict[str, Any]]):
    job_id = failed(surrounded.hangs)

    (event,) = sent
    assert event["tags"]["upnext.job_id"] == job_id
    assert "0.2 seconds" in event["exception"]["values"][0]["value"]


def test_each_attempt_has_a_scope_of_its_own(sent: list[dict[str, Any]]):
    sentry_sdk.set_tag("of", "the process")

    first, second = failed(surrounded.fails, 1), failed(surrounded.fails, 2)

    assert [event["tags"]["upnext.job_id"] for event in sent] == [first, second]
    assert "upnext.job_id" not in sentry_sdk.get_isolation_scope()._tags


def test_a_client_without_the_integration_is_told_nothing(sent: list[dict[str, Any]]):
    transport = Kept()
    sentry_sdk.init("http://key@127.0.0.1:1/1", transport=transport, default_integrations=False)

    failed(surrounded.fails, 1)

    assert transport.events == []


def test_a_job_that_dies_with_its_process_is_reported_once(
    reports: list[dict[str, Any]], valkey_url: str, namespace: str
):
    with running(valkey_url, namespace, surrounded.pool, MAX_CRASHES=1):
        job_id = failed(surrounded.dies)
        wait_until(lambda: reports, "the loss is reported")

    (event,) = reports
    (value,) = event["exception"]["values"]
    assert (value["type"], event["transaction"]) == ("WorkerLost", surrounded.dies.name)
    assert (event["tags"]["upnext.job_id"], event["tags"]["upnext.queue"]) == (job_id, "surrounded-pool")
    assert event["contexts"]["upnext job"]["worker_id"]


def test_a_job_of_a_silent_worker_is_reported_by_the_one_that_takes_it_back(
    reports: list[dict[str, Any]], valkey_url: str, namespace: str
):
    elsewhere = Lab(valkey_url, namespace)
    elsewhere.register()
    elsewhere.run(b"SADD", NamespaceKeys(namespace).queues, QUEUE, "zz")
    # Redis says no at the queue that comes after it, whenever its workers are looked for.
    broken = QueueKeys(namespace, "zz").prefix + "streams"
    elsewhere.run(b"SET", broken, "of another kind")
    claimed = elsewhere.claim_one()

    with running(valkey_url, namespace, surrounded.worker, MAX_CRASHES=0, LEASE_S=1.0):
        wait_until(lambda: reports, "the loss is reported", 20)
    elsewhere.run(b"DEL", broken)
    elsewhere.close()

    (event,) = reports
    assert event["exception"]["values"][0]["value"] == (
        "WorkerLost: the worker was lost 1 times while it ran this job"
    )
    assert (event["tags"]["upnext.job_id"], event["tags"]["upnext.function"]) == (claimed.id, FUNCTION)
