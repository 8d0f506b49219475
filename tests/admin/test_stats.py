"""operations.stats: what the charts are drawn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upnext_django.admin.pace import pace
from upnext_django.models import StatRecord
from upnext_django.operations import stats
from upnext_django.operations.stats import Counts, Window

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 26, 13, 45, 20, tzinfo=UTC)


def count(
    minutes_ago: int, jobs: int = 1, *, period: int = 60, outcome: str = "complete", **columns: Any
) -> None:
    moment = int((NOW - timedelta(minutes=minutes_ago)).timestamp()) // period * period
    defaults = {"function": "m.f", "queue": "q", "bound_ms": 50}
    StatRecord.objects.create(
        period=period,
        start=datetime.fromtimestamp(moment, UTC),
        outcome=outcome,
        jobs=jobs,
        **{**defaults, **columns},
    )


def test_an_hour_is_sixty_minutes_up_to_this_one() -> None:
    count(0, 3)
    count(59, 2, outcome="failed")
    count(60, 99)

    points = stats.series(Window.HOUR, now=NOW)

    assert len(points) == 60
    assert points[-1].start == NOW.replace(second=0)
    assert (points[-1].counts.complete, points[0].counts.failed) == (3, 2)
    assert stats.total(points).ended == 5


@pytest.mark.parametrize(("window", "pieces"), [(Window.DAY, 24), (Window.WEEK, 28)])
def test_longer_windows_are_made_of_hours(window: Window, pieces: int) -> None:
    count(0, 3, period=3600)
    count(120, 4, period=3600)
    count(0, 50)

    points = stats.series(window, now=NOW)

    assert len(points) == pieces
    assert stats.total(points).complete == 7


def test_a_series_of_one_function_leaves_out_the_others() -> None:
    count(1, 3)
    count(1, 4, function="m.g")

    assert stats.total(stats.series(Window.HOUR, function="m.g", now=NOW)).complete == 4


def test_success_and_percentiles_of_each_function() -> None:
    count(5, 9, period=3600)
    count(5, 1, period=3600, outcome="failed", bound_ms=10_000)
    count(5, 4, period=3600, outcome="retrying")
    count(5, 2, period=3600, outcome="cancelled", bound_ms=0)

    counts = stats.by_function(now=NOW)["m.f"]

    assert (counts.success, counts.retried, counts.ended) == (0.9, 4, 12)
    assert counts.p50_s is not None
    assert 0.02 < counts.p50_s <= 0.05


def test_each_queue_is_counted_by_itself() -> None:
    count(5, 9)
    count(5, 2, function="m.g")
    count(5, 4, queue="other")
    count(70, 50)

    counts = stats.by_queue(Window.HOUR, now=NOW)

    assert {queue: one.ended for queue, one in counts.items()} == {"q": 11, "other": 4}
    assert pace(counts["q"], Window.HOUR) == "11.0 an hour"
    assert pace(Counts(complete=120), Window.HOUR) == "2.0 a minute"


def test_no_jobs_have_neither_success_nor_percentile() -> None:
    counts = stats.total(stats.series(Window.HOUR, now=NOW))

    assert (counts.success, counts.p50_s, counts.p95_s) == (None, None, None)
