"""A worker in a thread of this process, for what surrounds jobs in the process itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.contrib import surrounded
from tests.keys import KEY
from tests.waiting import wait_until
from upnext_django.connection import get_broker
from upnext_django.runtime.options import WorkerOptions
from upnext_django.runtime.process import WorkerProcess


@pytest.fixture
def worker(valkey_url: str, namespace: str) -> Iterator[WorkerProcess]:
    """Give a running worker of the tasks in ``surrounded``."""
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "HISTORY": False, "SECRETS_KEYS": [KEY]}
    with override_settings(UPNEXT=own):
        process = WorkerProcess([surrounded.worker], WorkerOptions(), broker=get_broker())
        thread = threading.Thread(target=process.run, name="worker of the test")
        thread.start()
        wait_until(lambda: not process.health.why_not_ready(), "the worker takes jobs", 20)
        yield process
        process.stop()
        thread.join(20)
        assert not thread.is_alive()
