"""What is due: runs on time under every policy, and of missed ones what the policy says."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from upnext_django.core.missed import CronPlan, MissedRunPolicy
from upnext_django.exceptions import DefinitionError

NOW = datetime.fromisoformat("2026-06-10T12:00:00.500Z")
LATEST, CATCH_UP, SKIP = MissedRunPolicy


def plan(policy: MissedRunPolicy, expression: str = "0 * * * *", limit: float | None = None) -> CronPlan:
    return CronPlan.build(expression, timezone="UTC", missed_run_policy=policy, max_catch_up_seconds=limit)


def due(plan: CronPlan, last: timedelta, *, now: datetime = NOW, most: int = 100) -> list[str]:
    return [f"{run:%d %H:%M:%S}" for run in plan.due(now - last, now, most=most)]


@pytest.mark.parametrize("policy", MissedRunPolicy)
def test_a_run_on_time_is_due_under_every_policy(policy: MissedRunPolicy):
    assert due(plan(policy), timedelta(hours=1)) == ["10 12:00:00"]


@pytest.mark.parametrize("policy", MissedRunPolicy)
def test_what_was_made_already_is_not_due(policy: MissedRunPolicy):
    assert due(plan(policy), timedelta(seconds=0.5)) == []


@pytest.mark.parametrize("policy", MissedRunPolicy)
def test_a_busy_moment_loses_no_second(policy: MissedRunPolicy):
    assert len(due(plan(policy, "* * * * * *"), timedelta(seconds=4.5))) == 4


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (LATEST, ["10 12:00:00"]),
        (CATCH_UP, ["10 09:00:00", "10 10:00:00", "10 11:00:00", "10 12:00:00"]),
        (SKIP, []),
    ],
)
def test_after_an_outage(policy: MissedRunPolicy, expected: list[str]):
    now = NOW + timedelta(minutes=20)

    assert due(plan(policy), timedelta(hours=3, minutes=50), now=now) == expected


@pytest.mark.parametrize(
    ("policy", "expected"), [(LATEST, []), (CATCH_UP, ["10 11:00:00", "10 12:00:00"]), (SKIP, [])]
)
def test_a_missed_run_may_be_too_old(policy: MissedRunPolicy, expected: list[str]):
    limit = 600 if policy is LATEST else 5400
    now = NOW + timedelta(minutes=20)

    assert due(plan(policy, limit=limit), timedelta(hours=5), now=now) == expected


def test_catching_up_goes_back_a_week_unless_it_is_told():
    found = due(plan(CATCH_UP, "0 12 * * *"), timedelta(days=60))

    assert (len(found), found[0]) == (7, "04 12:00:00")


def test_catching_up_comes_in_parts():
    many = plan(CATCH_UP, "* * * * *")

    first = many.due(NOW - timedelta(hours=2), NOW, most=100)
    second = many.due(first[-1], NOW, most=100)

    assert (len(first), len(second)) == (100, 20)
    assert len({*first, *second}) == 120


def test_years_of_missed_seconds_cost_milliseconds():
    began = time.thread_time()

    found = due(plan(LATEST, "* * 3 * * *"), timedelta(days=2000))

    assert found == ["10 03:59:59"]
    assert time.thread_time() - began < 1.0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"missed_run_policy": "later"}, "missed_run_policy='later'"),
        ({"missed_run_policy": None}, "missed_run_policy=None"),
        ({"max_catch_up_seconds": 0}, "max_catch_up_seconds=0"),
        ({"max_catch_up_seconds": -1}, "above 0"),
        ({"max_catch_up_seconds": float("inf")}, "above 0"),
        ({"max_catch_up_seconds": True}, "above 0"),
        ({"max_catch_up_seconds": "60"}, "above 0"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], why: str):
    given: dict[str, Any] = {"timezone": "UTC", "missed_run_policy": LATEST, "max_catch_up_seconds": None}

    with pytest.raises(DefinitionError, match=why):
        CronPlan.build("0 9 * * *", **{**given, **options})
