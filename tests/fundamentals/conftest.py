"""One worker for each test module: of the tasks module that its ``TASKS`` names, with its ``OPTIONS``.

Where ``USES_ROWS`` is true it is on the database of the tests, else it has none.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from types import FrameType

import pytest
import redis
from django.test import override_settings

from tests.keys import KEY
from tests.leaks import delete_namespace, undeclared_keys
from tests.workers import RunningWorker, database_url, running_worker

_LONGEST_TEST_S = 120


@pytest.fixture(autouse=True)
def end_a_test_that_waits_for_ever() -> Iterator[None]:
    """Fail a test after two minutes: a job that never ends would else stop the whole run."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test has run for {_LONGEST_TEST_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_LONGEST_TEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def project(valkey_url: str) -> Iterator[str]:
    """Give the namespace of the test module, which the settings of this process name too."""
    name = f"test-{uuid.uuid4().hex}"
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": name, "SECRETS_KEYS": [KEY]}):
        yield name
    with redis.Redis.from_url(valkey_url) as client:
        leaked = undeclared_keys(client, name)
        delete_namespace(client, name)
    assert not leaked, f"keys that the keys table of engine.md does not have: {', '.join(leaked)}"


@pytest.fixture(scope="module")
def worker(
    request: pytest.FixtureRequest, project: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWorker]:
    """Give the running worker of the test module."""
    folder = tmp_path_factory.mktemp("worker")
    database = str(folder / "none.sqlite3")
    if getattr(request.module, "USES_ROWS", False):
        request.getfixturevalue("committed")
        database = database_url()
    with running_worker(
        "tests.fundamentals.settings",
        "--no-mirror",
        *getattr(request.module, "OPTIONS", ()),
        redis_url=valkey_url,
        namespace=project,
        tasks=request.module.TASKS,
        log=folder / "worker.log",
        environment={"UPNEXT_EXAMPLE_DATABASE": database, "UPNEXT_EXAMPLE_SECRETS_KEYS": KEY},
    ) as running:
        yield running
