"""``upnext_seed``: rows like those of a busy week."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from upnext_django.models import AttemptRecord, DeadLetterRecord, JobRecord, StatRecord
from upnext_django.operations import failures, stats
from upnext_django.operations.stats import Window
from upnext_django.operations.tree import jobs as tree_jobs

pytestmark = pytest.mark.django_db


def seed(*words: str) -> str:
    out = StringIO()
    call_command("upnext_seed", *words, stdout=out)
    return out.getvalue()


@override_settings(DEBUG=True)
def test_it_writes_jobs_with_all_that_belongs_to_them():
    said = seed("--jobs", "400", "--days", "0.5", "--failed", "25")

    jobs = JobRecord.objects
    assert "400 jobs" in said
    assert jobs.count() == 400
    assert jobs.filter(parent_id__isnull=True).count() == 20
    failed = jobs.filter(status="failed").count()
    assert 50 < failed < 150
    assert DeadLetterRecord.objects.count() == failed
    assert AttemptRecord.objects.count() == 400 + failed
    found = failures.groups()
    assert 4 < len(found) <= 28
    assert sum(one.count for one in found) == DeadLetterRecord.objects.filter(discarded_at=None).count()
    assert not DeadLetterRecord.objects.filter(fingerprint="").exists()


@override_settings(DEBUG=True)
def test_its_statistics_are_those_of_its_rows():
    seed("--jobs", "400", "--days", "0.1", "--failed", "25")

    jobs = JobRecord.objects
    for counts in (stats.total(stats.series(Window.WEEK)), _of_minutes()):
        assert counts.complete == jobs.filter(status="complete").count()
        assert counts.failed == counts.retried == jobs.filter(status="failed").count()
    by_function = stats.by_function(Window.DAY)
    assert {name: counts.ended for name, counts in by_function.items()} == {
        name: jobs.filter(function=name).count() for name in set(jobs.values_list("function", flat=True))
    }


@override_settings(DEBUG=True)
def test_the_newest_tree_may_be_a_large_one():
    seed("--jobs", "400", "--tree", "130")

    newest = JobRecord.objects.order_by("-created_at")[0]
    tree = tree_jobs.read(str(newest.root_id))
    assert len(tree.jobs) == 130
    assert {job.parent_id for job in tree.jobs.values()} - tree.jobs.keys() == {None}
    assert JobRecord.objects.filter(parent_id=None).count() == 1 + 14


def _of_minutes() -> stats.Counts:
    counts = stats.Counts()
    for row in StatRecord.objects.filter(period=60):
        counts.add(row.outcome, row.bound_ms, row.jobs)
    return counts


@override_settings(DEBUG=False)
def test_without_debug_it_wants_to_be_told_twice():
    with pytest.raises(CommandError, match="--yes"):
        seed("--jobs", "1")

    seed("--jobs", "1", "--yes")
    assert JobRecord.objects.count() == 1


@pytest.mark.parametrize("words", [("--jobs", "0"), ("--failed", "101"), ("--days", "-1"), ("--tree", "0")])
@override_settings(DEBUG=True)
def test_nonsense_is_refused(words: tuple[str, str]):
    with pytest.raises(CommandError):
        seed(*words)

    assert not JobRecord.objects.exists()
