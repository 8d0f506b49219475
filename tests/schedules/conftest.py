"""Rows and a Redis for the reader and the ticker in this process, and workers that share them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.test import override_settings

from tests.broker.lab import Lab
from tests.leaks import undeclared_keys
from tests.workers import RunningWorker, database_url
from upnext_django.models import Schedule

QUEUE = "schedules"
#: Starts a worker with these options, ended with the test.
Start = Callable[..., RunningWorker]


@pytest.fixture
def lab(valkey_url: str, namespace: str, rows: None) -> Iterator[Lab]:
    """Give the queue of tests/schedules/tasks.py in the project's namespace, and no schedules."""
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}):
        lab = Lab(valkey_url, namespace, queue=QUEUE)
        yield lab
        lab.close()
        Schedule.objects.all().delete()


@pytest.fixture
def start(lab: Lab, valkey_url: str, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Give what starts workers that read the rows of the test and write no history."""
    started: list[RunningWorker] = []

    def start_one(tasks: str = "tests.schedules.tasks", **extra: str) -> RunningWorker:
        own = {
            "UPNEXT_REDIS_URL": valkey_url,
            "UPNEXT_EXAMPLE_NAMESPACE": namespace,
            "UPNEXT_TEST_TASKS": tasks,
            "UPNEXT_EXAMPLE_DATABASE": database_url(),
        }
        log = tmp_path / f"worker-{len(started)}.log"
        worker = RunningWorker("tests.fundamentals.settings", {**own, **extra}, ("--no-mirror",), log)
        started.append(worker)
        return worker

    yield start_one
    for worker in started:
        worker.process.kill()
        worker.process.wait()
        print(worker.printed())  # noqa: T201  # pytest shows it with a failure
    with redis.Redis.from_url(valkey_url) as client:
        assert undeclared_keys(client, namespace) == []
