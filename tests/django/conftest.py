"""A worker of the example project, with its mirror, on the database of the tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import redis
from django.test import override_settings

from example_project.shop import tasks
from tests.leaks import delete_namespace
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.declare.registry import registry
from upnext_django.declare.task import TaskHandle


@pytest.fixture(scope="module")
def project(valkey_url: str) -> Iterator[str]:
    """Give the namespace of the test module, which the settings of this process name too."""
    name = f"test-{uuid.uuid4().hex}"
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": name}):
        yield name
    with redis.Redis.from_url(valkey_url) as client:
        delete_namespace(client, name)


@pytest.fixture(scope="module")
def worker(
    project: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory, committed: None
) -> Iterator[RunningWorker]:
    """Give a running worker that reads and writes the rows of the tests."""
    with running_worker(
        "tests.django.settings",
        redis_url=valkey_url,
        namespace=project,
        tasks="tests.django.tasks",
        log=tmp_path_factory.mktemp("worker") / "worker.log",
        environment={"UPNEXT_EXAMPLE_DATABASE": database_url()},
    ) as running:
        yield running


@pytest.fixture
def shop_alone() -> Iterator[None]:
    """Have only the example shop declared: the process also knows the tasks of other tests."""
    with registry.isolated() as alone:
        alone.add_worker(tasks.worker)
        for task in vars(tasks).values():
            if isinstance(task, TaskHandle):
                alone.add_task(task)
        yield
