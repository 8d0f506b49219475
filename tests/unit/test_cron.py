"""When a schedule runs, over every change of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from upnext_django.core.cron import Schedule

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Sao_Paulo",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs(expression: str, zone: str, after: str, until: str) -> list[str]:
    """Return the runs in (after, until] as local times; offsets show which of two it is."""
    return [run.isoformat() for run in Schedule(expression, zone).between(at(after), at(until))]


@pytest.mark.parametrize(
    ("zone", "expression", "after", "until", "expected"),
    [
        # The hour from 2 to 3 is skipped, then shown twice: each run of the day once.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-28T12:00Z",
            "2026-03-30T12:00Z",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24T12:00Z",
            "2026-10-26T12:00Z",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        (
            "Europe/Berlin",
            "0,30 2 * * *",
            "2026-03-28T12:00Z",
            "2026-03-29T12:00Z",
            ["2026-03-29T03:00:00+02:00"],
        ),
        # croniter by itself runs this one at 1:30 EDT and at 1:30 EST.
        (
            "America/New_York",
            "30 1 * * *",
            "2024-11-03T00:00Z",
            "2024-11-04T12:00Z",
            ["2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"],
        ),
        (
            "America/New_York",
            "*/30 * * * *",
            "2024-11-03T05:00Z",
            "2024-11-03T07:00Z",
            [
                "2024-11-03T01:30:00-04:00",
                "2024-11-03T01:00:00-05:00",
                "2024-11-03T01:30:00-05:00",
                "2024-11-03T02:00:00-05:00",
            ],
        ),
        (
            "America/New_York",
            "30 * * * *",
            "2024-03-10T06:00Z",
            "2024-03-10T08:00Z",
            ["2024-03-10T01:30:00-05:00", "2024-03-10T03:30:00-04:00"],
        ),
        (
            "America/New_York",
            "*/20 2 * * *",
            "2024-03-10T00:00Z",
            "2024-03-10T12:00Z",
            ["2024-03-10T03:00:00-04:00"],
        ),
        # Half an hour: from 2:00 to 2:30, and 1:30 to 2:00 twice.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2024-10-05T00:00Z",
            "2024-10-06T00:00Z",
            ["2024-10-06T02:30:00+11:00"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2024-04-06T00:00Z",
            "2024-04-07T12:00Z",
            ["2024-04-07T01:45:00+11:00"],
        ),
        (
            "Australia/Lord_Howe",
            "*/15 * * * *",
            "2024-04-06T14:30Z",
            "2024-04-06T15:30Z",
            [
                "2024-04-07T01:45:00+11:00",
                "2024-04-07T01:30:00+10:30",
                "2024-04-07T01:45:00+10:30",
                "2024-04-07T02:00:00+10:30",
            ],
        ),
        # Around Ramadan the clock goes back first, and forward after it.
        (
            "Africa/Casablanca",
            "30 2 * * *",
            "2024-03-09T12:00Z",
            "2024-03-11T12:00Z",
            ["2024-03-10T02:30:00+01:00", "2024-03-11T02:30:00+00:00"],
        ),
        (
            "Africa/Casablanca",
            "30 2 * * *",
            "2024-04-13T12:00Z",
            "2024-04-15T12:00Z",
            ["2024-04-14T03:00:00+01:00", "2024-04-15T02:30:00+01:00"],
        ),
        # Midnight itself is skipped.
        (
            "America/Sao_Paulo",
            "@daily",
            "2018-11-03T12:00Z",
            "2018-11-05T12:00Z",
            ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
        ),
        # A whole day is skipped.
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T18:00Z",
            "2011-12-31T12:00Z",
            ["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"],
        ),
    ],
)
def test_a_change_of_the_clock(zone: str, expression: str, after: str, until: str, expected: list[str]):
    assert runs(expression, zone, after, until) == expected


def test_the_29th_of_february_across_2100():
    schedule = Schedule("0 0 29 2 *")

    assert schedule.next_after(at("2096-03-01T00:00Z")) == at("2104-02-29T00:00Z")


def test_six_fields_count_seconds():
    assert runs("*/20 * * * * *", "UTC", "2026-01-01T00:00:00.5Z", "2026-01-01T00:01Z") == [
        "2026-01-01T00:00:20+00:00",
        "2026-01-01T00:00:40+00:00",
        "2026-01-01T00:01:00+00:00",
    ]


NUMBERS = {"minute": (0, 59), "hour": (0, 23)}


@st.composite
def times(draw: st.DrawFn) -> tuple[str, set[int], set[int]]:
    """Draw minute and hour fields with the values they stand for."""
    drawn = []
    for low, high in NUMBERS.values():
        if draw(st.booleans()):
            step = draw(st.integers(1, high // 2))
            drawn.append((f"*/{step}", set(range(low, high + 1, step))))
        else:
            values = draw(st.sets(st.integers(low, high), min_size=1, max_size=4))
            drawn.append((",".join(map(str, sorted(values))), values))
    (minute, minutes), (hour, hours) = drawn
    return f"{minute} {hour} * * *", minutes, hours


CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "Africa/Casablanca": ("2024-03-10", "2024-04-14"),
    "America/Sao_Paulo": ("2018-02-18", "2018-11-04"),
    "Asia/Kathmandu": ("2026-03-29", "2026-10-25"),
}


@settings(deadline=None, max_examples=150)
@given(times(), st.sampled_from([(zone, day) for zone, days in CHANGES.items() for day in days]))
def test_the_runs_of_a_day_are_those_that_a_clock_on_the_wall_shows(
    drawn: tuple[str, set[int], set[int]], place: tuple[str, str]
):
    """Look at the clock each minute, as cron does, and apply the rule to what it skips and repeats."""
    text, minutes, hours = drawn
    zone, day = place
    schedule = Schedule(text, zone)
    start = at(f"{day}T00:00Z") - timedelta(hours=18)
    interval_hour = text.split()[1].startswith("*") or len(hours) == 24
    interval = interval_hour or text.startswith("*") or len(minutes) == 60

    expected = []
    before = (start - timedelta(minutes=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    seen: set[datetime] = set()
    for number in range(48 * 60):
        moment = start + timedelta(minutes=number)
        wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        skipped = [before + timedelta(minutes=n) for n in range(1, (wall - before) // timedelta(minutes=1))]
        due = wall.minute in minutes and wall.hour in hours and (interval or wall not in seen)
        made_up = not interval_hour and any(w.minute in minutes and w.hour in hours for w in skipped)
        if due or made_up:
            expected.append(moment)
        seen.add(wall)
        before = wall

    until = start + timedelta(minutes=48 * 60 - 1)
    found = [run.astimezone(UTC) for run in schedule.between(start - timedelta(seconds=1), until)]
    assert found == expected


EXPRESSIONS = (
    "* * * * * *",
    "*/7 * * * *",
    "30 1 * * *",
    "0 0 * * *",
    "0 9 * * 1-5",
    "0 0 1 * *",
    "0 0 29 2 *",
)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), MOMENTS)
def test_a_next_run_is_later_and_nothing_lies_between(expression: str, zone: str, moment: datetime):
    schedule = Schedule(expression, zone)

    following = schedule.next_after(moment).astimezone(UTC)

    assert following > moment
    assert following.microsecond == 0
    assume(following - moment > timedelta(seconds=2))
    middle = moment + (following - moment) / 2
    assert schedule.next_after(middle) == following


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(("*/5 * * * * *", "*/7 * * * *", "30 1 * * *")),
    st.sampled_from(ZONES),
    MOMENTS,
    st.integers(0, 400_000),
)
def test_the_last_run_is_the_last_of_all(expression: str, zone: str, moment: datetime, length: int):
    schedule = Schedule(expression, zone)
    after = moment - timedelta(seconds=min(length, 2000 if expression.count("*") == 6 else 400_000))

    every = [run.astimezone(UTC) for run in schedule.between(after, moment)]
    last = schedule.last_until(moment, after=after)

    assert (last.astimezone(UTC) if last else None) == (every[-1] if every else None)


def test_runs_of_a_repeated_hour_come_in_the_order_of_time():
    schedule = Schedule("* * * * *", "America/New_York")

    found = list(schedule.between(at("2024-11-03T04:00Z"), at("2024-11-03T08:00Z")))

    assert len(found) == 240
    assert {later.astimezone(UTC) - run.astimezone(UTC) for run, later in pairwise(found)} == {
        timedelta(minutes=1)
    }
