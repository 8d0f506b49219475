from collections.abc import Iterator

import pytest

from tests.unit.declare.fakes import FakeBroker, FakeSender
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.declare.registry import registry


@pytest.fixture(autouse=True)
def own_registry_and_ports() -> Iterator[None]:
    with registry.isolated(), ports.isolated():
        yield


@pytest.fixture
def broker() -> FakeBroker:
    broker = FakeBroker()
    ports.configure(broker=lambda url: broker, environment=lambda: Environment(queues=("reports",)))
    return broker


@pytest.fixture
def sender(broker: FakeBroker) -> FakeSender:
    sender = FakeSender()
    ports.configure(sender=sender)
    return sender
