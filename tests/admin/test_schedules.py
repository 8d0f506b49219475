"""Schedules in the admin: added, changed, paused and run by those who may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings

from tests.schedules import tasks
from upnext_django.connection import get_broker
from upnext_django.declare.registry import registry
from upnext_django.models import Schedule
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
