"""A function runs by itself: as its code says, and as an operator says without touching the code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command

import upnext_django as upnext
from tests.fundamentals.schedules import daily_report, remind
from tests.waiting import wait_until
from tests.workers import RunningWorker
from upnext_django.models import Schedule
from upnext_django.operations import schedules

TASKS = "tests.fundamentals.schedules"
USES_ROWS = True

pytestmark = pytest.mark.usefixtures("rows")


@pytest.fixture(autouse=True)
def no_schedules(rows: None) -> Iterator[None]:
    yield
    Schedule.objects.all().delete()


def test_a_cron_runs_each_second(worker: RunningWorker):
    before = worker.printed().count("[every second]")

    wait_until(lambda: worker.printed().count("[every second]") >= before + 2, "it has run twice", 20)


async def test_a_cron_is_a_task_too(worker: RunningWorker):
    result = await daily_report.wait()

    assert result.value == {"generated": True}


def test_an_operator_schedules_a_task_with_arguments(worker: RunningWorker):
    schedules.add(
        name="remind ada", function=remind.name, expression="* * * * * *", kwargs={"who": "ada"}, by="bob"
    )

    worker.wait_for("[remember, ada]")


def test_an_operator_does_it_by_command(worker: RunningWorker):
    call_command(
        "upnext_schedule", "add", "remind eve", remind.name, "* * * * * *", "--kwargs", '{"who": "eve"}'
    )

    worker.wait_for("[remember, eve]")
    call_command("upnext_schedule", "pause", "remind eve")
    assert schedules.get("remind eve").paused


def test_an_operator_runs_a_schedule_now(worker: RunningWorker):
    schedules.add(name="yearly", function=remind.name, expression="@yearly", kwargs={"who": "grace"})

    job_id = schedules.run_now("yearly")

    worker.wait_for("[remember, grace]")
    wait_until(lambda: upnext.get_job(job_id).status == "complete", "the job is complete", 20)


def test_what_makes_no_sense_is_refused_at_once():
    with pytest.raises(upnext.DefinitionError, match="no month of it has a day 30"):
        schedules.add(name="never", function=remind.name, expression="0 0 30 2 *", kwargs={"who": "x"})
    with pytest.raises(upnext.DefinitionError, match="missing a required argument: 'who'"):
        schedules.add(name="nobody", function=remind.name, expression="@daily")
