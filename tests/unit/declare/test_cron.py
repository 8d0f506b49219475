"""Declaring a task that runs by itself."""

from __future__ import annotations

from typing import Any

import pytest

import upnext_django as upnext
from tests.unit.declare.fakes import FakeBroker, FakeSender
from upnext_django.core.environment import Environment
from upnext_django.declare import ports
from upnext_django.declare.options import NO_OVERRIDES
from upnext_django.declare.registry import registry
from upnext_django.declare.submission import Submission


def test_a_cron_is_a_task_with_a_plan():
    worker = upnext.Worker("reports")

    @worker.cron("0 9 * * *", name="Daily", retries=2)
    async def report() -> int:
        return 1

    definition = report.definition
    assert definition.cron is not None
    assert (definition.kind, definition.queue, definition.function_name) == ("cron", "reports", "Daily")
    assert (definition.retries, definition.timeout) == (2, 1800.0)
    assert definition.as_json()["cron"] == {
        "expression": "0 9 * * *",
        "timezone": "UTC",
        "missed_run_policy": "latest_only",
        "max_catch_up_seconds": None,
    }
    assert registry.find(report.name) is report
    assert worker.tasks == (report,)


def test_a_plain_task_has_no_plan():
    @upnext.task
    def plain() -> None: ...

    assert plain.definition.cron is None
    assert plain.definition.as_json()["cron"] is None


def test_the_projects_zone_holds_unless_the_cron_has_its_own():
    ports.configure(timezone=lambda: "Europe/Berlin")

    @upnext.cron("@daily")
    def here() -> None: ...

    @upnext.cron("@daily", timezone="Asia/Tokyo")
    def there() -> None: ...

    zones = [task.definition.cron.schedule.timezone for task in (here, there) if task.definition.cron]
    assert zones == ["Europe/Berlin", "Asia/Tokyo"]


def test_a_cron_can_be_called_and_submitted(broker: FakeBroker, sender: FakeSender):
    @upnext.cron("@daily")
    def count(start: int = 1) -> int:
        return start + 1

    future = count.submit(5)

    assert count(5) == 6
    assert future.job_id


def test_the_job_of_a_tick_names_its_schedule():
    @upnext.cron("@daily")
    def nightly(ctx: Any) -> None: ...

    job = Submission(nightly.definition, NO_OVERRIDES, schedule=nightly.name).job((), {})

    assert b'"kind":"cron"' in job.envelope
    assert f'"schedule":"{nightly.name}"'.encode() in job.envelope


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"expression": "0 0 30 2 *"}, "no month of it has a day 30"),
        ({"expression": "0 0 1--100000000 * *"}, "is no day of the month"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus'"),
        ({"missed_run_policy": "never"}, "missed_run_policy='never'"),
        ({"max_catch_up_seconds": -1}, "max_catch_up_seconds=-1"),
        ({"retrys": 1}, "did you mean 'retries'"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_declaration(options: dict[str, Any], why: str):
    given = {"expression": "@daily", **options}

    with pytest.raises(upnext.DefinitionError, match=why):

        @upnext.cron(**given)
        def function() -> None: ...

    assert registry.tasks == ()


def test_a_function_that_needs_arguments_cannot_be_a_cron():
    with pytest.raises(upnext.DefinitionError, match="give its parameters defaults"):

        @upnext.cron("@daily")
        def report(day: str) -> None: ...

    assert registry.tasks == ()


def test_the_defaults_of_the_project_hold_for_crons_too():
    ports.configure(environment=lambda: Environment(task_defaults={"timeout": 5}))

    @upnext.cron("@daily")
    def quick() -> None: ...

    assert quick.definition.timeout == 5
