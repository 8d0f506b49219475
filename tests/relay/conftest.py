"""An outbox on SQLite and, by mark, on PostgreSQL, and a queue on the real server that no worker serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from tests.relay.outbox import Outbox


@pytest.fixture
def upnext_settings(history: str, valkey_url: str, namespace: str) -> Iterator[dict[str, Any]]:
    """Give the settings of the test, which hold as long as it runs."""
    values = {
        "REDIS_URL": valkey_url,
        "NAMESPACE": namespace,
        "DATABASE": history,
        "OUTBOX": True,
        "OUTBOX_DATABASES": [history],
    }
    with override_settings(UPNEXT=values):
        yield values


@pytest.fixture
def outbox(upnext_settings: dict[str, Any], history: str) -> Outbox:
    """Give the outbox of the test."""
    return Outbox(history)
