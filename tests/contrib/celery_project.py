"""The Celery app that runs celery_tasks: ``celery -A tests.contrib.celery_project worker``."""

from __future__ import annotations

import os

from celery import Celery

__all__ = ["app"]

# Celery has its own scheme for a server on a Unix socket.
_URL = os.environ["UPNEXT_TEST_CELERY_URL"].replace("unix://", "redis+socket://")
_PREFIX = {"global_keyprefix": os.environ["UPNEXT_TEST_CELERY_PREFIX"]}

app = Celery("tests")
app.conf.update(
    broker_url=_URL,
    broker_transport_options=_PREFIX,
    broker_connection_retry_on_startup=True,
    result_backend=_URL,
    result_backend_transport_options=_PREFIX,
    imports=["tests.contrib.celery_tasks"],
    worker_prefetch_multiplier=1,
)
