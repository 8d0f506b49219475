"""Jobs make files, which are listed with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

import upnext_django as upnext
from tests.fundamentals import artifacts
from tests.waiting import wait_until
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.models import ArtifactRecord

MAX_BYTES = 100_000


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("media")
    with override_settings(MEDIA_ROOT=str(folder)):
        yield folder


@pytest.fixture(scope="module")
def worker(
    project: str,
    valkey_url: str,
    media: Path,
    tmp_path_factory: pytest.TempPathFactory,
    committed: None,
) -> Iterator[RunningWorker]:
    """Give a worker with a mirror: the list of a job's files is in the history."""
    with running_worker(
        "tests.fundamentals.artifacts_project",
        redis_url=valkey_url,
        namespace=project,
        tasks="tests.fundamentals.artifacts",
        log=tmp_path_factory.mktemp("worker") / "worker.log",
        environment={
            "UPNEXT_EXAMPLE_DATABASE": database_url(),
            "UPNEXT_TEST_MEDIA": str(media),
            "UPNEXT_TEST_MAX_ARTIFACT_BYTES": str(MAX_BYTES),
        },
    ) as running:
        yield running


pytestmark = pytest.mark.usefixtures("worker", "rows")


def listed(job_id: str, count: int) -> list[ArtifactRecord]:
    """Return the job's artifacts, the oldest first, as soon as there are so many."""
    rows = ArtifactRecord.objects.filter(job_id=job_id).order_by("id")
    wait_until(lambda: rows.count() >= count, f"{count} artifacts are listed")
    return list(rows)


@pytest.mark.parametrize(
    "task",
    [artifacts.in_a_loop, artifacts.in_a_thread, artifacts.in_a_process],
    ids=lambda task: task.name[-12:],
)
def test_files_are_written_and_listed(task: upnext.TaskHandle[[], list[str]], media: Path):
    result = task.wait_sync()

    rows = listed(result.job_id, 3)
    assert [row.pk for row in rows] == result.value
    assert [(row.name, row.artifact_type) for row in rows] == [
        ("totals", "json"),
        ("Übersicht.csv", "csv"),
        ("dot.png", "png"),
    ]
    totals, table, picture = ((media / row.path).read_bytes() for row in rows)
    assert json.loads(totals) == {"orders": 3, "sum": "9.90"}
    assert table == b"id,sum\n1,9.90\n"
    assert picture == artifacts.PNG
    assert [row.size_bytes for row in rows] == [len(totals), len(table), len(picture)]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "a\\b", "x\u202egnp.exe", "two\nlines", "..", ""]
)
def test_a_name_that_is_more_than_a_name_is_refused(name: str, media: Path):
    with pytest.raises(upnext.TaskExecutionError, match="ArgumentError: name of create_artifact"):
        artifacts.with_name.wait_sync(name)


def test_no_name_becomes_a_part_of_a_path(media: Path):
    result = artifacts.with_name.wait_sync("CON .. C: %2e%2e.html")

    (row,) = listed(result.job_id, 1)
    assert row.name == "CON .. C: %2e%2e.html"
    assert row.path.startswith("upnext/")
    assert row.path.endswith(f"/{row.job_id}.{row.pk}.txt")


def test_more_than_the_setting_allows_is_refused():
    listed(artifacts.of_size.wait_sync(MAX_BYTES).job_id, 1)

    with pytest.raises(upnext.TaskExecutionError, match="MAX_ARTIFACT_BYTES"):
        artifacts.of_size.wait_sync(MAX_BYTES + 1)


def test_a_job_that_fails_keeps_what_its_attempts_made(media: Path):
    future = artifacts.fails_afterwards.submit()
    with pytest.raises(upnext.TaskExecutionError):
        future.result_sync(timeout=10)

    rows = listed(future.job_id, 2)
    assert [json.loads((media / row.path).read_bytes()) for row in rows] == [{"attempt": 1}, {"attempt": 2}]


def test_the_sync_call_is_refused_where_it_would_block_a_loop():
    with pytest.raises(upnext.TaskExecutionError, match=r"use await create_artifact\(\) here"):
        artifacts.sync_call_in_a_loop.wait_sync()


def test_outside_a_job_there_is_nothing_to_add_to():
    with pytest.raises(RuntimeError, match="No job runs here"):
        upnext.create_artifact_sync("name", {})
