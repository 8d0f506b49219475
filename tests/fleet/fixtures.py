"""The fixture of the folders that test with real worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.processes import Fleet

__all__ = ["fleet"]


@pytest.fixture
def fleet(valkey_url: str, namespace: str, tmp_path: Path) -> Iterator[Fleet]:
    """Give the test's worker processes: none at first. Their leases last 2 s."""
    fleet = Fleet(tmp_path, redis_url=valkey_url, namespace=namespace, lease_s=2.0)
    yield fleet
    fleet.end()
