"""A queue on the real server beside rows that the test makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.broker.lab import QUEUE, Lab


@pytest.fixture
def lab(valkey_url: str, namespace: str, db: None) -> Iterator[Lab]:
    """Give the queue ``mail`` of the project's own namespace; its function is known to workers."""
    with override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}):
        lab = Lab(valkey_url, namespace)
        lab.register()
        lab.run(b"SADD", f"un:{{{namespace}}}:queues", QUEUE)
        yield lab
        lab.close()
