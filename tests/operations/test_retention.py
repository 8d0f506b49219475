"""What of the history is deleted when, and how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from tests.broker.lab import Lab
from tests.waiting import wait_until
from upnext_django.connection import get_broker
from upnext_django.core.ids import tick_job_id
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.models import (
    ArtifactRecord,
    AttemptRecord,
    BulkAction,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    StatRecord,
    WorkerRecord,
)
from upnext_django.operations import retention, stats
from upnext_django.operations.metrics.totals import recent_mean_s
from upnext_django.operations.pruner import Pruner
from upnext_django.operations.stats import Window

pytestmark = pytest.mark.django_db(transaction=True)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = timezone.now()


def job(age: timedelta, status: str = "complete", *, name: str = "", **columns: Any) -> JobRecord:
    """Have a job that was submitted, and has ended if it has, so long ago."""
    created = NOW - age
    return JobRecord.objects.create(
        id=tick_job_id("mail", name or f"{status}-{age}", round(created.timestamp() * 1000)),
        function="shop.tasks.send",
        queue="mail",
        status=status,
        created_at=created,
        **{"completed_at": created if status in TERMINAL else None, **columns},
    )


def left() -> set[str]:
    return set(JobRecord.objects.values_list("id", flat=True))


def prune(*words: str) -> str:
    out = StringIO()
    call_command("upnext_prune", *words, stdout=out)
    return out.getvalue()


def test_each_status_has_its_own_age():
    for status in ("complete", "cancelled", "failed"):
        for age in (13 * DAY, 15 * DAY, 89 * DAY, 91 * DAY):
            job(age, status)

    pruned = retention.prune()

    assert pruned.jobs == {"complete": 3, "cancelled": 3, "failed": 1}
    assert pruned.is_whole
    assert set(JobRecord.objects.values_list("status", flat=True)) == {"complete", "cancelled", "failed"}
    assert JobRecord.objects.filter(status="failed").count() == 3


def test_the_setting_says_how_long():
    old, young = job(3 * DAY), job(DAY)

    with override_settings(UPNEXT={"RETENTION": {"complete": 2 * DAY}}):
        retention.prune()

    assert left() == {young.id}
    assert old.id not in left()


@pytest.mark.parametrize("status", [str(s) for s in JobStatus if s not in TERMINAL])
def test_a_live_job_never_goes(status: str):
    alive = job(400 * DAY, status)

    retention.prune()

    assert left() == {alive.id}


def test_the_age_counts_from_the_end():
    ended_late = job(400 * DAY, completed_at=NOW - DAY)
    job(400 * DAY, name="unknown end", completed_at=None)

    retention.prune()

    assert left() == {ended_late.id}


def test_what_belongs_to_a_job_goes_with_it(tmp_path: Path):
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        gone, kept = job(100 * DAY, "failed"), job(DAY, "failed")
        for one in (gone, kept):
            AttemptRecord.objects.create(job_id=one.id, number=1, token=1)
            LogRecord.objects.create(job_id=one.id, seq=1, position=0, at=NOW, level="INFO", message="m")
            DeadLetterRecord.objects.create(
                job_id=one.id, queue="mail", failed_at=one.created_at, attempts=1, crashes=0
            )
            path = default_storage.save(f"{one.id}.txt", ContentFile(b"text"))
            ArtifactRecord.objects.create(
                id=one.id,
                job_id=one.id,
                name="a.txt",
                artifact_type="text",
                size_bytes=4,
                path=path,
                created_at=NOW,
            )

        retention.prune()

        assert [file.name for file in tmp_path.iterdir()] == [f"{kept.id}.txt"]
    for model in (AttemptRecord, LogRecord, DeadLetterRecord, ArtifactRecord):
        assert list(model._default_manager.values_list("job_id", flat=True)) == [kept.id], model


def test_a_job_whose_file_cannot_be_deleted_stays_with_its_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    stays, goes = job(100 * DAY), job(101 * DAY)
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        ArtifactRecord.objects.create(
            id=stays.id, job_id=stays.id, name="a", artifact_type="text", size_bytes=1, path="folder",
            created_at=NOW,
        )  # fmt: skip

        retention.prune()

    assert left() == {stays.id}
    assert goes.id not in left()
    assert ArtifactRecord.objects.count() == 1
    assert "could not be deleted" in caplog.text


def test_a_tree_goes_as_a_whole_in_one_run():
    root = job(30 * DAY, name="root")
    child = job(29 * DAY, name="child", parent_id=root.id, root_id=root.id)
    job(29 * DAY, name="grandchild", parent_id=child.id, root_id=root.id)

    pruned = retention.prune(chunk=2)

    assert pruned.jobs == {"complete": 3}
    assert left() == set()


@pytest.mark.parametrize("status", ["complete", "failed", "scheduled"])
def test_a_parent_stays_as_long_as_a_child_of_it(status: str):
    root = job(60 * DAY, name="root")
    child = job(59 * DAY, name="child", parent_id=root.id, root_id=root.id)
    young = job(DAY, status, name="grandchild", parent_id=child.id, root_id=root.id)

    retention.prune()

    assert left() == {root.id, child.id, young.id}


def test_a_dead_letter_without_a_job_goes_after_the_same_time():
    for age in (89, 91):
        DeadLetterRecord.objects.create(
            job_id=f"j{age}", queue="mail", failed_at=NOW - age * DAY, attempts=1, crashes=0
        )

    assert retention.prune().dead_letters == 1
    assert [letter.job_id for letter in DeadLetterRecord.objects.all()] == ["j89"]


def test_workers_that_left_long_ago_go_and_functions_stay():
    for name, left_at in (("gone", NOW - 15 * DAY), ("left", NOW - DAY), ("here", None)):
        WorkerRecord.objects.create(id=name, left_at=left_at, seen_at=NOW - 30 * DAY)
    FunctionRecord.objects.create(function="shop.tasks.send", seen_at=NOW - 900 * DAY)

    assert retention.prune().workers == 1
    assert set(WorkerRecord.objects.values_list("id", flat=True)) == {"left", "here"}
    assert FunctionRecord.objects.count() == 1


def test_bulk_actions_that_ended_long_ago_go_and_open_ones_stay():
    for verb, ended_at in (("retry", NOW - 91 * DAY), ("cancel", NOW - 89 * DAY), ("delete", None)):
        BulkAction.objects.create(verb=verb, until=NOW, asked_at=NOW - 100 * DAY, ended_at=ended_at)

    assert retention.prune().bulk_actions == 1
    assert set(BulkAction.objects.values_list("verb", flat=True)) == {"cancel", "delete"}


def count(period: int, age: timedelta, jobs: int = 1) -> StatRecord:
    """Have a count of the period that began so long ago."""
    begin = NOW.timestamp() - age.total_seconds()
    return StatRecord.objects.create(
        period=period,
        start=datetime.fromtimestamp(begin - begin % period, UTC),
        function="shop.tasks.send",
        queue="mail",
        outcome="complete",
        bound_ms=100,
        jobs=jobs,
        ran_ms=50 * jobs,
    )


def counts_left(period: int) -> list[int]:
    return sorted(StatRecord.objects.filter(period=period).values_list("jobs", flat=True))


def test_counts_that_no_chart_shows_go_and_what_was_counted_in_all_stays():
    ages = {60: (2 * HOUR, 4 * HOUR, 9 * DAY), 3_600: (2 * HOUR, 9 * DAY, 29 * DAY, 31 * DAY)}
    for period, found in ages.items():
        for age in found:
            count(period, age, jobs=age // HOUR)
    StatRecord.objects.create(
        period=0, start=datetime.fromtimestamp(0, UTC), function="f", queue="q", outcome="complete",
        bound_ms=100, jobs=7,
    )  # fmt: skip

    pruned = retention.prune()

    assert pruned.statistics == 3
    assert (counts_left(60), counts_left(3_600), counts_left(0)) == ([2], [2, 9 * 24, 29 * 24], [7])


def test_the_setting_says_how_long_counts_by_the_hour_live():
    for age in (7 * DAY, 13 * DAY, 15 * DAY):
        count(3_600, age, jobs=age.days)

    with override_settings(UPNEXT={"RETENTION": {"statistics": 14 * DAY}}):
        retention.prune()

    assert counts_left(3_600) == [7, 13]


def test_no_number_that_is_shown_changes_by_pruning():
    for minutes in range(0, 8 * 24 * 60, 7):
        for period in (60, 3_600):
            if not minutes % (period // 60):
                count(period, timedelta(minutes=minutes), jobs=1 + minutes % 5)

    def shown() -> object:
        by_window = [stats.series(window, now=NOW) for window in Window]
        return by_window, [stats.by_function(window, now=NOW) for window in Window], recent_mean_s(NOW)

    before = shown()

    with override_settings(UPNEXT={"RETENTION": {"statistics": 8 * DAY}}):
        pruned = retention.prune(chunk=100)

    assert pruned.statistics > 1_000
    assert shown() == before


def test_a_run_goes_on_where_another_ended():
    for minutes in range(20):
        job(30 * DAY + timedelta(minutes=minutes))

    ended_at_once = retention.prune(budget_s=-1.0)
    rest = retention.prune(chunk=3)

    assert (ended_at_once.total, ended_at_once.is_whole) == (0, False)
    assert rest.jobs == {"complete": 20}


def test_the_command_counts_first_and_deletes_then():
    for age in (2 * DAY, 4 * DAY):
        job(age)

    counted = prune("--dry-run", "--complete", "3")
    said = prune("--complete", "3", "--chunk", "1")
    again = prune("--complete", "3")

    assert "1 complete jobs would be deleted" in counted
    assert said == "1 complete jobs deleted.\n"
    assert again == "Nothing is old enough to be deleted.\n"


@pytest.mark.parametrize(
    "words",
    [["--complete", "0"], ["--failed", "soon"], ["--chunk", "0"], ["--cancelled", "-1"]],
    ids=" ".join,
)
def test_a_wrong_use_says_what_would_be_right(words: list[str]):
    with pytest.raises(CommandError, match=words[0]):
        prune(*words)


def test_no_query_of_it_reads_the_whole_table_of_jobs():
    plans = [retention.expired(status, NOW - 14 * DAY).explain() for status in TERMINAL]

    for plan in plans:
        # PostgreSQL knows how small the table of a test is, and what that is worth.
        assert "upnext_job" in plan
        if connection.vendor == "sqlite":
            assert "USING INDEX upnext_job_status (status=? AND id<?)" in plan
            assert "TEMP B-TREE" not in plan, "the index has their order"


@pytest.fixture
def pruner(lab: Lab) -> Callable[[], Pruner]:
    """Give what starts the service of a worker."""
    return lambda: Pruner(get_broker())


def test_one_worker_an_hour_applies_it(
    lab: Lab, pruner: Callable[[], Pruner], caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "upnext.retention")
    job(30 * DAY)
    first, second = pruner(), pruner()

    first.start()
    # Not just until the row is gone: one that is stopped on the way gives its turn back.
    wait_until(lambda: "Retention: 1 jobs" in caplog.text, "the first has done its pass")
    assert not left()
    late = job(31 * DAY)
    second.start()
    for service in (first, second):
        service.stop()
        assert service.join(10)

    assert left() == {late.id}, "the turn is taken for an hour"
    assert 0 < lab.run(b"PTTL", get_broker().names.turn("prune")) <= 3_600_000
