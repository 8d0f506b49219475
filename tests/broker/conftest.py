"""A queue with a worker that knows one function, and brokers that are closed again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker.lab import Lab
from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment


@pytest.fixture
def lab(valkey_url: str, namespace: str) -> Iterator[Lab]:
    """Give the queue ``mail``; its function FUNCTION is registered."""
    lab = Lab(valkey_url, namespace)
    lab.register()
    yield lab
    lab.close()


@pytest.fixture
def broker(environment: Environment) -> Iterator[Broker]:
    """Give a process's broker."""
    broker = Broker(environment)
    yield broker
    broker.close()
    broker.mailbox.join(10)
