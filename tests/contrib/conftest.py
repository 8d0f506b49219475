"""A worker in a thread of this process, for what surrounds jobs in the process itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.test import override_settings

from tests.contrib import surrounded
from tests.keys import KEY
from tests.waiting import wait_until
from upnext_django import Worker
from upnext_django.connection import get_broker
from upnext_django.management.pool import set_up_pool_process
from upnext_django.runtime.options import WorkerOptions
from upnext_django.runtime.process import WorkerProcess


@contextmanager
def running(url: str, namespace: str, *workers: Worker, **own: Any) -> Iterator[WorkerProcess]:
    """Run ``workers`` with settings of their own."""
    base = {"REDIS_URL": url, "NAMESPACE": namespace, "HISTORY": False, "SECRETS_KEYS": [KEY]}
    with override_settings(UPNEXT={**base, **own}):
        setup = partial(set_up_pool_process, 0)
        process = WorkerProcess(list(workers), WorkerOptions(), broker=get_broker(), pool_setup=setup)
        thread = threading.Thread(target=process.run, name="worker of the test")
        thread.start()
        try:
            wait_until(lambda: not process.health.why_not_ready(), "the worker takes jobs", 20)
            yield process
        finally:
            process.stop()
            thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def worker(valkey_url: str, namespace: str) -> Iterator[WorkerProcess]:
    """Give a running worker of the tasks in ``surrounded``."""
    with running(valkey_url, namespace, surrounded.worker) as process:
        yield process
