"""A project that has no server yet, and processes in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.project import Client, wait_until_unguarded
from upnext_django.embedded import EmbeddedValkey


@pytest.fixture
def project() -> Iterator[Path]:
    """Give the folder of a project that has no server yet."""
    with tempfile.TemporaryDirectory(prefix="upnext-") as name:
        yield Path(name).resolve()
        wait_until_unguarded(Path(name))  # it might make a file in a folder that is being removed


@pytest.fixture
def server(project: Path) -> Iterator[EmbeddedValkey]:
    """Give the project's server as this process sees it; not started."""
    server = EmbeddedValkey(project)
    yield server
    server.release()


@pytest.fixture
def start_client(project: Path) -> Iterator[Callable[[], Client]]:
    """Give a function that starts a process of the project; those still there in the end are killed."""
    clients: list[Client] = []

    def start() -> Client:
        clients.append(Client(project))
        return clients[-1]

    yield start
    for client in clients:
        client.kill()
