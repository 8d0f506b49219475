"""A queue on the real server and a mirror into SQLite; what tests act on is the settings' own broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import override_settings

from tests.broker.lab import QUEUE, Lab
from tests.databases import delete_history
from upnext_django.connection import get_broker
from upnext_django.mirror.service import MirrorService


@pytest.fixture
def lab(valkey_url: str, namespace: str, rows: None) -> Iterator[Lab]:
    """Give the queue ``mail`` of the project's own namespace, and an empty history."""
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}):
        lab = Lab(valkey_url, namespace)
        lab.register()
        lab.run(b"SADD", f"un:{{{namespace}}}:queues", QUEUE)
        yield lab
        lab.close()
        delete_history("default")


@pytest.fixture
def mirror(lab: Lab) -> Callable[[], None]:
    """Give what writes everything that Redis has told so far into the history."""

    def write() -> None:
        service = MirrorService(get_broker())
        service.start()
        try:
            assert service.drain(20)
        finally:
            service.stop()
            assert service.join(10)

    return write
