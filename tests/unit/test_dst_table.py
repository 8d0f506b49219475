"""The table of the clock's changes: six zones, the gap and the repeated hour, every policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from upnext_django.core.missed import CronPlan, MissedRunPolicy


class Change(NamedTuple):
    """A change of the clock, an expression whose time of day it skips or repeats, and the day's one run."""

    zone: str
    kind: str
    expression: str
    run: str


TABLE = [
    Change("Europe/Berlin", "gap", "30 2 * * *", "2026-03-29T01:00Z"),
    Change("Europe/Berlin", "fold", "30 2 * * *", "2026-10-25T00:30Z"),
    Change("America/New_York", "gap", "30 2 * * *", "2026-03-08T07:00Z"),
    Change("America/New_York", "fold", "30 1 * * *", "2026-11-01T05:30Z"),
    # Half an hour.
    Change("Australia/Lord_Howe", "gap", "15 2 * * *", "2026-10-03T15:30Z"),
    Change("Australia/Lord_Howe", "fold", "45 1 * * *", "2026-04-04T14:45Z"),
    # Back for Ramadan, forward after it.
    Change("Africa/Casablanca", "gap", "30 2 * * *", "2024-04-14T02:00Z"),
    Change("Africa/Casablanca", "fold", "30 2 * * *", "2024-03-10T01:30Z"),
    # At midnight: the gap skips the day's first hour, the fold shows the last of the day before twice.
    Change("America/Sao_Paulo", "gap", "30 0 * * *", "2018-11-04T03:00Z"),
    Change("America/Sao_Paulo", "fold", "30 23 * * *", "2018-02-18T01:30Z"),
    Change("Asia/Beirut", "gap", "30 0 * * *", "2024-03-30T22:00Z"),
    Change("Asia/Beirut", "fold", "30 23 * * *", "2024-10-26T20:30Z"),
]

in_every_row = pytest.mark.parametrize("change", TABLE, ids=lambda change: f"{change.zone}-{change.kind}")
by_every_policy = pytest.mark.parametrize("policy", MissedRunPolicy)


def due(change: Change, policy: MissedRunPolicy, last: datetime, now: datetime) -> list[datetime]:
    # In UTC: Python holds no time of a repeated hour equal to one of another zone.
    return [run.astimezone(UTC) for run in plan(change, policy).due(last, now, most=100)]


def plan(change: Change, policy: MissedRunPolicy) -> CronPlan:
    return CronPlan.build(
        change.expression, timezone=change.zone, missed_run_policy=policy, max_catch_up_seconds=None
    )


@in_every_row
@by_every_policy
def test_a_worker_that_is_there_makes_the_days_run_once_on_time(change: Change, policy: MissedRunPolicy):
    run = datetime.fromisoformat(change.run)
    schedule = plan(change, policy).schedule
    last = now = run - timedelta(minutes=90)

    made = []
    while now < run + timedelta(minutes=90):
        # It sleeps until the next run, as the ticker does, but looks at least every quarter of an hour.
        now = min(now + timedelta(minutes=15), schedule.next_after(now).astimezone(UTC))
        for one in due(change, policy, last, now):
            made.append((one, now - one))
            last = one

    assert made == [(run, timedelta())]


@in_every_row
@pytest.mark.parametrize(
    ("policy", "expected"),
    [(MissedRunPolicy.LATEST_ONLY, 1), (MissedRunPolicy.CATCH_UP, 1), (MissedRunPolicy.SKIP, 0)],
)
def test_a_worker_that_was_away_over_the_change_makes_it_up_once(
    change: Change, policy: MissedRunPolicy, expected: int
):
    run = datetime.fromisoformat(change.run)

    found = due(change, policy, run - timedelta(hours=6), run + timedelta(hours=6))

    assert found == [run][:expected]


@in_every_row
def test_nobody_catches_up_with_a_time_that_the_clock_shows_a_second_time(change: Change):
    """The run was made; a worker that comes up within the repeated hour finds nothing to do."""
    run = datetime.fromisoformat(change.run)

    for policy in MissedRunPolicy:
        for minutes in range(0, 125, 5):
            assert due(change, policy, run, run + timedelta(minutes=minutes)) == []


@in_every_row
def test_each_day_around_it_has_one_run(change: Change):
    run = datetime.fromisoformat(change.run)
    first, last = run - timedelta(days=3, hours=2), run + timedelta(days=3, hours=2)

    found = due(change, MissedRunPolicy.CATCH_UP, first, last)

    assert run in found
    days = [one.astimezone(ZoneInfo(change.zone)).date() for one in found]
    assert len(days) == len(set(days)) == 7
