"""A history as ``upnext_seed`` makes it, with all that the benchmarks put beside it; few of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.test import Client, override_settings

from tests.benchmarks.history import filling
from tests.benchmarks.history.visit import Visit

__all__ = ["opened", "seeded"]

JOBS, TREE = 2_000, 200


@pytest.fixture
def seeded(
    db: None, valkey_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Have rows of every kind, waiting and running jobs, and the file of the artifacts."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    monkeypatch.setattr(filling, "WAITING", 25)
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "API_RATES": {"token": None, "address": None}}
    with override_settings(UPNEXT=own, MEDIA_ROOT=str(tmp_path), ALLOWED_HOSTS=["*"]):
        filling.fill(JOBS, TREE)
        filling.fill_redis()
        filling.fill_storage()
        yield


def opened(client: Client, visits: Iterable[Visit]) -> dict[str, int]:
    """Return the status of each answer by what was asked, read to its end; what a page raises is raised."""
    statuses: dict[str, int] = {}
    for one in visits:
        answer = client.get(one.path) if one.form is None else client.post(one.path, one.form)
        if answer.streaming:
            assert b"".join(answer)
        statuses[one.title] = answer.status_code
    return statuses
