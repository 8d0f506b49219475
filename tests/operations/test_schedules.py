"""Operators add, change, pause, resume, delete and run schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.broker.lab import Lab
from tests.schedules import tasks
from tests.waiting import wait_until
from upnext_django import DefinitionError, MissedRunPolicy, ScheduleNotFound, UnknownTask
from upnext_django.broker.scripts.tick import Mark, TickAnswer
from upnext_django.connection import get_broker
from upnext_django.core.missed import CronPlan
from upnext_django.declare.registry import registry
from upnext_django.exceptions import InvalidTransition
from upnext_django.models import FunctionRecord, JobRecord, Schedule
from upnext_django.operations import schedules
from upnext_django.operations.timetable import next_runs, timetable

NOTE = tasks.note.name
NIGHTLY = tasks.nightly.name


@pytest.fixture(autouse=True)
def declared(lab: Lab) -> Iterator[None]:
    """Have only the tasks of tests/schedules declared."""
    with registry.isolated() as alone:
        for task in (tasks.note, tasks.nightly, tasks.capped, tasks.charge):
            alone.add_worker(task.worker)
            alone.add_task(task)
        yield


def added(name: str = "morning", **fields: Any) -> Schedule:
    given: dict[str, Any] = {"function": NOTE, "expression": "0 9 * * *", "kwargs": {"word": "hello"}}
    return schedules.add(name=name, **{**given, **fields})


def version() -> int:
    return get_broker().schedules.version_sync()


def test_a_schedule_is_added_with_who_did_it_and_workers_are_told():
    before = version()

    row = added(by="ada", timezone="Europe/Berlin", missed_run_policy=MissedRunPolicy.SKIP, args=())

    kept = schedules.get("morning")
    assert (kept.function, kept.kwargs, kept.updated_by) == (NOTE, {"word": "hello"}, "ada")
    assert (kept.missed_run_policy, kept.paused, kept.pk) == ("skip", False, row.pk)
    assert version() == before + 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"expression": "0 0 1--100000000 * *"}, "is no day of the month"),
        ({"expression": "0 0 30 2 *"}, "no month of it has a day 30"),
        ({"expression": ""}, "has 0 fields"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus'"),
        ({"missed_run_policy": "later"}, "missed_run_policy"),
        ({"max_catch_up_seconds": -1}, "max_catch_up_seconds=-1"),
        ({"kwargs": {}}, "missing a required argument: 'word'"),
        ({"kwargs": {"word": "x", "tims": 2}}, "unexpected keyword argument 'tims'"),
        ({"function": tasks.capped.name, "kwargs": {"day": "soon"}}, '"day" of .* does not fit'),
        ({"kwargs": ["x"]}, "JSON object"),
        ({"args": {"x": 1}}, "JSON list"),
        ({"queue": "a:b"}, "'a:b' cannot name a queue"),
        ({"priority": 101}, "from -100 to 100"),
        ({"name": "a\nb"}, "control characters"),
        ({"name": NIGHTLY}, "the name of a cron declared in code"),
        ({"function": tasks.capped.name, "kwargs": {}, "queue": "other"}, "counted in its own queue"),
        ({"function": tasks.charge.name, "kwargs": {"order": 1, "card": "4111"}}, "is sensitive"),
        ({"function": "no such thing"}, "cannot identify a function"),
        (
            {"starts_at": datetime(2027, 1, 2, tzinfo=UTC), "ends_at": datetime(2027, 1, 1, tzinfo=UTC)},
            "end before it starts",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(fields: dict[str, Any], why: str):
    before = version()

    with pytest.raises(DefinitionError, match=why):
        added(allow_unknown=True, **fields)

    assert not Schedule.objects.exists()
    assert version() == before


def test_a_function_that_nobody_knows_is_refused_unless_it_is_meant():
    with pytest.raises(UnknownTask, match=f"did you mean '{NOTE}'"):
        added(function=NOTE + "s")
    with pytest.raises(TypeError, match="has no expresion"):
        added(expresion="@daily")

    added(function="shop.tasks.later", kwargs={}, allow_unknown=True)

    (info,) = [one for one in timetable() if not one.declared]
    assert info.problem == "No worker knows its function, so its jobs wait."
    assert len(info.next_runs) == 5


def test_a_function_that_only_workers_have_is_checked_by_its_registration():
    FunctionRecord.objects.create(
        function="far.tasks.send",
        definition={
            **tasks.note.definition.as_json(),
            "function": "far.tasks.send",
            "queue": "far",
        },
        seen_at=datetime.now(UTC),
    )

    with pytest.raises(DefinitionError, match=r"far.tasks.send\(\) missing a required argument: 'word'"):
        added(function="far.tasks.send", kwargs={})
    added(function="far.tasks.send")

    assert [info.queue for info in timetable() if not info.declared] == ["far"]


def test_a_name_is_given_once():
    added()

    with pytest.raises(DefinitionError, match="already exists"):
        added()

    added("evening")
    with pytest.raises(DefinitionError, match="already exists"):
        schedules.change("evening", name="morning")


def test_a_change_keeps_the_rest_and_counts_its_runs_anew_only_if_they_change():
    began = added().begins_at

    renamed = schedules.change("morning", name="dawn", kwargs={"word": "bye"}, by="bob")
    assert (renamed.begins_at, renamed.expression, renamed.updated_by) == (began, "0 9 * * *", "bob")

    assert schedules.change("dawn", expression="0 12 * * *").begins_at > began


def test_of_two_operators_the_second_is_told():
    seen = added().revision
    schedules.change("morning", priority=5, by="ada", revision=seen)

    with pytest.raises(InvalidTransition, match="changed by ada meanwhile"):
        schedules.change("morning", priority=6, revision=seen)

    assert schedules.get("morning").priority == 5


def test_what_a_paused_schedule_would_have_run_is_not_made_up_for(lab: Lab):
    row = added()
    assert schedules.pause("morning", by="ada")
    assert not schedules.pause("morning")
    paused_at = schedules.get("morning").updated_at

    assert schedules.resume("morning", by="bob")
    assert not schedules.resume("morning")

    again = schedules.get("morning")
    assert again.begins_at >= paused_at
    assert (again.paused, again.updated_by) == (False, "bob")
    assert again.revision > row.revision


def test_redis_refuses_ticks_of_what_was_changed_as_soon_as_the_call_returns():
    row = added()
    lab = Lab(get_broker().url, get_broker().environment.namespace, queue=tasks.worker.queue)
    known = Mark(row.key, None, row.revision)
    asked = lab.ask(known).replies[0]
    assert asked.answer == TickAnswer.ASKED
    assert asked.last_ms == int(row.begins_at.timestamp() * 1000), "a run before the first look is its"

    schedules.pause("morning")

    assert lab.ask(known).replies[0].answer == TickAnswer.OUTDATED
    newer = Mark(row.key, None, schedules.get("morning").revision)
    schedules.delete("morning")
    assert lab.ask(newer).replies[0].answer == TickAnswer.OUTDATED
    assert not Schedule.objects.exists()
    lab.close()


def test_a_cron_in_code_is_paused_by_a_row_and_nothing_else():
    assert schedules.pause(NIGHTLY, by="ada")
    assert not schedules.pause(NIGHTLY)

    info = timetable()[0]
    assert (info.name, info.declared, info.paused, info.next_runs) == (NIGHTLY, True, True, ())
    with pytest.raises(DefinitionError, match="declared in code"):
        schedules.change(NIGHTLY, expression="@daily")
    with pytest.raises(DefinitionError, match="declared in code"):
        schedules.delete(NIGHTLY)

    assert schedules.resume(NIGHTLY)
    assert len(timetable()[0].next_runs) == 5


@pytest.mark.parametrize(
    "act", [schedules.get, schedules.pause, schedules.resume, schedules.delete, schedules.run_now]
)
def test_a_name_that_there_is_not_is_told(act: Callable[[str], object]):
    with pytest.raises(ScheduleNotFound, match="There is no schedule 'evening'"):
        act("evening")


def test_run_now_makes_a_job_that_knows_its_schedule(mirror: Callable[[], None]):
    added(priority=7)

    job_ids = {schedules.run_now("morning", by="ada"), schedules.run_now(NIGHTLY)}

    mirror()
    rows = {row.schedule: row for row in JobRecord.objects.filter(pk__in=job_ids)}
    assert rows.keys() == {"morning", NIGHTLY}
    assert (rows["morning"].function, rows["morning"].kind, rows["morning"].priority) == (NOTE, "cron", 7)
    assert rows["morning"].arguments == {"args": [], "kwargs": {"word": "hello"}}
    last = {info.name: info.last_run for info in timetable()}
    assert {run.job_id for run in last.values() if run is not None} == job_ids
    assert {run.status for run in last.values() if run is not None} == {"queued"}


def test_in_a_transaction_workers_hear_of_it_on_commit_only():
    before = version()

    with transaction.atomic():
        added()
        assert version() == before
    assert version() == before + 1

    with transaction.atomic():
        schedules.pause("morning")
        transaction.set_rollback(True)
    assert version() == before + 1
    assert not schedules.get("morning").paused


def test_the_next_runs_lie_between_start_and_end():
    start = datetime(2030, 6, 1, 9, tzinfo=UTC)

    added(timezone="UTC", starts_at=start, ends_at=start + timedelta(days=2))

    (info,) = [one for one in timetable() if not one.declared]
    assert [f"{run:%d %H:%M}" for run in info.next_runs] == ["01 09:00", "02 09:00", "03 09:00"]


def test_the_next_runs_go_on_as_time_passes():
    plan = CronPlan.build("* * * * * *", timezone="UTC", missed_run_policy="skip", max_catch_up_seconds=None)

    first = next_runs(plan)
    wait_until(lambda: next_runs(plan)[0] > first[0], "the first run has passed")

    now = timezone.now()
    runs = next_runs(plan)
    assert now - timedelta(seconds=1) < runs[0] < timezone.now() + timedelta(seconds=2)
    assert [(run - runs[0]).total_seconds() for run in runs] == [0, 1, 2, 3, 4]
    assert next_runs(plan, since=now + timedelta(hours=1))[0] >= now + timedelta(hours=1)
    assert next_runs(plan, until=now - timedelta(seconds=1)) == []


def test_one_schedule_is_told_without_the_others():
    added("morning")
    added("evening")

    assert [one.name for one in timetable("evening")] == ["evening"]
    assert [one.name for one in timetable(NIGHTLY)] == [NIGHTLY]
    schedules.pause(NIGHTLY)
    assert [(one.name, one.paused) for one in timetable(NIGHTLY)] == [(NIGHTLY, True)]
    assert timetable("none") == []


def test_a_row_that_was_spoilt_otherwise_stays_visible_with_its_problem():
    added()
    Schedule.objects.update(expression="nonsense")

    (info,) = [one for one in timetable() if not one.declared]

    assert "has 1 fields" in (info.problem or "")
    assert info.next_runs == []
