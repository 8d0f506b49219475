"""Options that this version cannot keep its word on stop the start, not the night."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.declare.worker import Worker
from upnext_django.exceptions import EncryptionError
from upnext_django.runtime.options import WorkerOptions
from upnext_django.runtime.process import WorkerProcess


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


def start(worker: Worker) -> None:
    # A broker connects at its first use, which does not come.
    WorkerProcess([worker], WorkerOptions(), broker=Broker(Environment(redis_url="redis://localhost:1")))


def test_secrets_that_nothing_can_read():
    with (
        ports.isolated(),
        pytest.raises(EncryptionError, match=r"'payments' wants the secret 'stripe_key'.*no database"),
    ):
        start(Worker("payments", secrets=["stripe_key"]))
