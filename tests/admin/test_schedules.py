"""Schedules in the admin: added, changed, paused and run by those who may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.schedules import tasks
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.declare.registry import registry
from upnext_django.models import JobRecord, Schedule
from upnext_django.operations import schedules

pytestmark = pytest.mark.django_db

LIST = "/admin/upnext/schedule/"
FORM = {
    "name": "morning",
    "function": tasks.note.name,
    "expression": "0 9 * * *",
    "args": "[]",
    "kwargs": '{"word": "hello"}',
    "missed_run_policy": "latest_only",
}


@pytest.fixture(autouse=True)
def declared(valkey_url: str, namespace: str) -> Iterator[None]:
    """Have only the tasks of tests/schedules declared, and a Redis."""
    with (
        registry.isolated() as alone,
        override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}),
    ):
        alone.add_worker(tasks.worker)
        for task in (tasks.note, tasks.nightly):
            alone.add_task(task)
        yield


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, url: str, **fields: Any) -> str:
    response = client.post(url, {**FORM, **fields}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def act(client: Client, action: str, *rows: Schedule) -> str:
    fields = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, fields, follow=True).content.decode()


def kept(**fields: Any) -> Schedule:
    given: dict[str, Any] = {"name": "morning", "function": tasks.note.name, "expression": "0 9 * * *"}
    return schedules.add(**{**given, "kwargs": {"word": "hello"}, **fields})


def test_a_schedule_is_added_and_says_by_whom():
    html = post(staff("add_schedule", "view_schedule"), f"{LIST}add/")

    assert "was added successfully" in html
    row = schedules.get("morning")
    assert (row.kwargs, row.updated_by) == ({"word": "hello"}, "ada")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expression": "0 0 30 2 *"}, "no month of it has a day 30"),
        ({"kwargs": "{}"}, "missing a required argument"),
        ({"kwargs": "{"}, "valid JSON"),
        ({"timezone": "Mars/Olympus"}, "is no time zone here"),
        ({"name": tasks.nightly.name}, "the name of a cron declared in code"),
    ],
)
def test_a_mistake_is_shown_in_the_form(admin_client: Client, fields: dict[str, str], said: str):
    assert said in post(admin_client, f"{LIST}add/", **fields)
    assert not Schedule.objects.exists()


def test_nobodys_change_is_overwritten(admin_client: Client):
    row = kept()
    url = f"{LIST}{row.pk}/change/"
    schedules.change("morning", priority=3, by="bob")

    html = post(admin_client, url, seen_revision=row.revision, priority=4)
    assert "bob has changed this schedule meanwhile" in html
    assert schedules.get("morning").priority == 3

    html = post(admin_client, url, seen_revision=schedules.get("morning").revision, priority=4)
    assert "was changed successfully" in html
    assert schedules.get("morning").priority == 4


def test_the_page_shows_the_next_runs(admin_client: Client):
    row = kept(timezone="UTC")

    html = admin_client.get(f"{LIST}{row.pk}/change/").content.decode()

    assert html.count("09:00:00 UTC") == 5


def test_pause_resume_and_run(admin_client: Client):
    row = kept()

    assert "1 paused" in act(admin_client, "pause", row)
    assert schedules.get("morning").paused
    assert "1 resumed" in act(admin_client, "resume", row)
    assert not schedules.get("morning").paused
    assert "Schedule morning submitted as job" in act(admin_client, "run_now", row)


def test_a_run_that_cannot_be_is_told(admin_client: Client):
    row = kept()
    Schedule.objects.update(kwargs={})

    assert "missing a required argument" in act(admin_client, "run_now", row)


def test_a_row_of_a_cron_in_code_is_neither_changed_nor_deleted(admin_client: Client):
    schedules.pause(tasks.nightly.name)
    row = schedules.get(tasks.nightly.name)

    html = admin_client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert 'name="expression"' not in html
    assert admin_client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Schedule.objects.count() == 1


def test_what_somebody_may_not_do_is_not_offered():
    row = kept()
    client = staff("view_schedule")

    html = client.get(LIST).content.decode()
    assert "morning" in html
    for action in ("pause", "resume", "run_now", "delete_selected"):
        assert f'value="{action}"' not in html
    assert client.post(f"{LIST}add/", FORM).status_code == 403
    act(client, "pause", row)
    act(client, "run_now", row)
    assert not schedules.get("morning").paused
    assert get_broker().operator.queues_sync() == []


def test_a_deletion_goes_the_same_way(admin_client: Client):
    row = kept()

    admin_client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})

    assert not Schedule.objects.exists()


# -- those in code


def in_code(name: str, what: str) -> str:
    return f"{LIST}in-code/{name}/{what}/"


def test_crons_in_code_stand_above_with_their_words_and_runs(admin_client: Client):
    JobRecord.objects.create(
        id=new_job_id("schedules"),
        function=tasks.nightly.name,
        schedule=tasks.nightly.name,
        status="failed",
        created_at=timezone.now(),
        queue="schedules",
    )
    kept()

    html = admin_client.get(LIST).content.decode()

    crons, _, rows = html.partition('id="upnext-results"')
    assert "at 03:00" in crons
    assert crons.count("03:00:00 CE") == 5
    assert "Europe/Berlin" in crons
    assert 'upnext-failed"' in crons
    assert "run the latest" in crons
    assert "at 09:00" in rows
    assert tasks.nightly.name not in rows


def test_a_schedule_in_the_list_shows_its_last_run(admin_client: Client):
    row = kept()
    at = timezone.now()
    job = JobRecord.objects.create(
        id=new_job_id("schedules"),
        function=tasks.note.name,
        schedule=row.name,
        status="complete",
        created_at=at,
        queue="schedules",
    )

    html = admin_client.get(LIST).content.decode()

    rows = html.partition('id="upnext-results"')[2]
    assert f'/admin/upnext/jobrecord/{job.pk}/change/">{timezone.localtime(at):%Y-%m-%d %H:%M:%S}</a>' in rows
    assert 'upnext-complete"' in rows


def test_a_cron_in_code_is_paused_resumed_and_run(admin_client: Client):
    name = tasks.nightly.name

    paused = post(admin_client, in_code(name, "pause"))
    is_paused = schedules.get(name).paused
    resumed = post(admin_client, in_code(name, "resume"))
    ran = post(admin_client, in_code(name, "run"))

    assert is_paused
    assert not schedules.get(name).paused
    assert f"Schedule {name} is paused." in paused
    assert in_code(name, "resume") in paused
    assert f"Schedule {name} goes on." in resumed
    assert f"Schedule {name} submitted as job" in ran
    notes = LogEntry.objects.filter(object_id=str(schedules.get(name).pk))
    assert notes.count() == 2


def test_no_other_cron_is_switched_and_nothing_by_looking(admin_client: Client):
    kept()

    assert admin_client.post(in_code("morning", "pause")).status_code == 404
    assert admin_client.post(in_code("none", "run")).status_code == 404
    assert admin_client.get(in_code(tasks.nightly.name, "run")).status_code == 405
    assert not Schedule.objects.get().paused


@pytest.mark.parametrize(("permission", "offered"), [("run_schedule", "run"), ("change_schedule", "pause")])
def test_of_a_cron_in_code_is_offered_what_one_may(permission: str, offered: str):
    client = staff("view_schedule", permission)
    name = tasks.nightly.name

    html = client.get(LIST).content.decode()
    codes = {what: client.post(in_code(name, what)).status_code for what in ("pause", "run")}

    assert {what for what in codes if in_code(name, what) in html} == {offered}
    assert codes == {"pause": 403, "run": 403, offered: 302}


@pytest.mark.parametrize("count", [1, 40])
def test_the_list_asks_as_much_of_few_rows_as_of_many(admin_client: Client, count: int):
    for number in range(count):
        kept(name=f"morning {number}")

    with CaptureQueriesContext(connection) as queries:
        admin_client.get(LIST)

    assert len(queries) == 9


def test_the_overview_says_what_runs_next(admin_client: Client):
    kept(name="soon", expression="* * * * * *")
    schedules.pause(kept(name="never", expression="* * * * * *").name)

    html = admin_client.get("/admin/upnext/overview/").content.decode()

    runs = html.partition("Next runs</h2>")[2].partition("</table>")[0]
    assert runs.index("soon") < runs.index(tasks.nightly.name)
    assert "every second" in runs
    assert "never" not in runs
