"""Worker processes for every test of this folder, and a server that may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.fixtures import fleet
from tests.fleet.server import DurableServer

__all__ = ["fleet", "server"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DurableServer]:
    """Give a server of the test's own."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = DurableServer(folder)
    server.start()
    yield server
    server.thaw()
    server.kill()
