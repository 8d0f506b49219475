"""Functions in the admin: how they do, pause and resume, run by a form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.operating.people import ACTIONS, messages_of, noted, staff
from tests.admin.operating.tasks import bill
from tests.admin.rows import a_function, a_job, job_id
from tests.broker.lab import FUNCTION, Lab
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import LiveJob
from upnext_django.declare.registry import registry
from upnext_django.models import JobRecord, StatRecord
from upnext_django.operations import control

FUNCTIONS = "/admin/upnext/functionrecord/"
SEE = "view_functionrecord"


@pytest.fixture
def billing(lab: Lab) -> Iterator[str]:
    """Give the address of a function that this process and a worker know."""
    with registry.isolated():
        registry.add_worker(bill.worker)
        registry.add_task(bill)
        a_function(bill.name, queue="form", definition=bill.definition.as_json())
        yield address(bill.name)


@pytest.fixture
def sending(lab: Lab) -> str:
    """Give the address of a function that a worker elsewhere registered."""
    parameters = [
        {"name": "to", "kind": "either", "required": True, "annotation": "str"},
        {"name": "card", "kind": "either", "required": False, "annotation": "str", "default": "none"},
    ]
    definition = {"function": FUNCTION, "function_name": "send", "queue": "mail", "parameters": parameters}
    a_function(FUNCTION, queue="mail", definition=definition)
    return address(FUNCTION)


def address(function: str) -> str:
    return f"{FUNCTIONS}{function.replace('_', '_5F')}/"


def page(client: Client, url: str, **query: Any) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


def field(html: str, name: str) -> str:
    """Return what stands in a field of a form."""
    found = re.search(rf'name="arg_{name}"[^>]*>\s*([^<]*)</textarea>', html)
    found = found or re.search(rf'name="arg_{name}" value="([^"]*)"', html)
    return found.group(1) if found else ""


def only_job() -> LiveJob:
    """Return the one job that Redis has."""
    with get_broker().clients.sync() as link:
        names = [
            key.decode().rpartition(":")[2]
            for queue in ("mail", "form")
            for key in link.execute([b"KEYS", get_broker().keys(queue).job("*")])
        ]
    [name] = names
    live = get_broker().job_sync(name)
    assert live is not None
    return live


def nothing_was_sent() -> bool:
    with get_broker().clients.sync() as link:
        return all(
            not link.execute([b"KEYS", get_broker().keys(queue).job("*")]) for queue in ("mail", "form")
        )


def counted(function: str, outcome: str, jobs: int, bound_ms: int = 0) -> None:
    StatRecord.objects.create(
        period=3600,
        start=timezone.now().replace(minute=0, second=0, microsecond=0),
        function=function,
        queue="mail",
        outcome=outcome,
        bound_ms=bound_ms,
        jobs=jobs,
    )


def a_worker(state: str = "running", functions: tuple[str, ...] = (FUNCTION,)) -> None:
    broker = get_broker()
    about = {
        "host": "web1",
        "pid": 7,
        "state": state,
        "queues": ["mail"],
        "functions": functions,
        "seen_ms": broker.inspector.now_ms(),
    }
    with broker.clients.sync() as link:
        link.execute([b"HSET", broker.names.workers, f"web1-{state}", json.dumps(about)])


# -- looking


def test_the_list_says_how_each_does(sending: str, admin_client: Client):
    counted(FUNCTION, "complete", 1999, 128)
    counted(FUNCTION, "failed", 1, 1024)
    a_worker()
    a_worker("quiet")

    html = page(admin_client, FUNCTIONS)

    assert "2,000" in html
    # Rounded down: it did fail.
    assert "99.9 %" in html
    assert "web1-running" in html
    assert "web1-quiet" not in html


def test_the_list_says_who_is_paused_and_who_is_alone(sending: str, admin_client: Client):
    get_broker().operator.pause_sync("mail", FUNCTION, paused=True)

    html = page(admin_client, FUNCTIONS)

    assert "paused" in html
    assert "no worker" in html


def test_the_list_costs_the_same_for_one_and_for_fifty(sending: str, admin_client: Client):
    page(admin_client, FUNCTIONS)
    with CaptureQueriesContext(connection) as for_one:
        page(admin_client, FUNCTIONS)
    for number in range(50):
        a_function(f"shop.tasks.f{number}")

    with CaptureQueriesContext(connection) as for_fifty:
        page(admin_client, FUNCTIONS)

    assert len(for_fifty) == len(for_one)


def test_a_page_says_what_its_options_mean(billing: str, admin_client: Client):
    job = a_job(1, function=bill.name)

    html = page(admin_client, f"{billing}change/")

    for text in ("Retries", "2, the first after", "30.0 s", "in a thread", job.pk, "Run now", "Pause"):
        assert text in html


def test_without_redis_the_pages_open_and_say_so(admin_client: Client):
    a_function(FUNCTION)

    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1/0"}):
        for url in (FUNCTIONS, f"{address(FUNCTION)}change/"):
            assert "Live data is not available" in page(admin_client, url)


# -- pause and resume


def test_it_is_paused_and_resumed(billing: str, admin_client: Client):
    paused = admin_client.post(f"{billing}pause/")
    assert "is paused" in messages_of(paused)
    assert control.paused_functions() == [bill.name]
    assert "It is paused" in page(admin_client, f"{billing}change/")

    admin_client.post(f"{billing}resume/")
    assert control.paused_functions() == []
    assert noted() == ["Paused.", "Resumed."]


@pytest.mark.parametrize("what", ["pause", "resume"])
def test_a_get_pauses_and_resumes_nothing(billing: str, admin_client: Client, what: str):
    assert admin_client.get(f"{billing}{what}/").status_code == 405
    assert control.paused_functions() == []


# -- running


def test_the_form_has_a_field_for_each_parameter(billing: str, admin_client: Client):
    html = page(admin_client, f"{billing}run/")

    for name in ("order", "note", "rest", "due", "rush", "more"):
        assert f'name="arg_{name}"' in html
    assert "order: int" in html
    assert "Empty is the default, &quot;none&quot;." in html
    assert nothing_was_sent()


def test_what_was_given_is_submitted_and_leads_to_the_job(billing: str, admin_client: Client):
    given = {
        "arg_order": "7",
        "arg_note": "first\r\nsecond",
        "arg_due": "2026-01-31",
        "arg_rush": "true",
        "arg_more": '{"extra": 1}',
        "priority": "5",
        "delay": "60",
        "queue": "form",
    }

    response = admin_client.post(f"{billing}run/", given)

    job = only_job()
    assert response["Location"] == f"/admin/upnext/jobrecord/{job.id}/change/"
    args, kwargs = json.loads(bytes(job.envelope.args))
    assert args == []
    assert kwargs == {"order": 7, "note": "first\nsecond", "due": "2026-01-31", "rush": True, "extra": 1}
    assert (job.envelope.priority, str(job.status)) == (5, "scheduled")
    assert noted() == [f"Run by hand as job {job.id}."]
    assert "On its way" in page(admin_client, response["Location"])


def test_what_is_left_empty_takes_its_default(billing: str, admin_client: Client):
    admin_client.post(f"{billing}run/", {"arg_order": "7", "queue": "form"})

    assert json.loads(bytes(only_job().envelope.args)) == [[], {"order": 7}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "This field is required."),
        ({"arg_order": "seven"}, "takes a whole number"),
        ({"arg_order": "7", "arg_due": "tomorrow"}, "does not fit its annotation"),
        ({"arg_order": "7", "arg_rest": "{}"}, "takes a JSON list"),
        ({"arg_order": "7", "arg_rest": "[1]"}, "stands before an argument that is given"),
        ({"arg_order": "7", "arg_more": '{"note": 1}'}, "has a field of its own"),
        ({"arg_order": "7", "arg_note": "[hidden]"}, "give the value itself"),
        ({"arg_order": "7", "priority": "1000"}, "less than or equal to 100"),
        ({"arg_order": "7", "delay": "-1"}, "greater than or equal to 0"),
        ({"arg_order": "7", "delay": "nan"}, "Enter a number."),
        ({"arg_order": "7", "queue": "nowhere"}, "Select a valid choice"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_sent(
    billing: str, admin_client: Client, given: dict[str, str], said: str
):
    response = admin_client.post(f"{billing}run/", {"queue": "form", **given})

    assert response.status_code == 200
    assert said in response.content.decode()
    assert nothing_was_sent()
    assert noted() == []


def test_what_only_a_worker_elsewhere_knows_is_run_from_its_registration(sending: str, admin_client: Client):
    admin_client.post(f"{sending}run/", {"arg_to": "ada", "queue": "mail"})

    job = only_job()
    assert (job.envelope.function, json.loads(bytes(job.envelope.args))) == (FUNCTION, [[], {"to": "ada"}])


def test_without_redis_nothing_is_submitted_and_the_form_keeps_what_was_given(admin_client: Client):
    parameters = [{"name": "to", "kind": "either", "required": True, "annotation": "str"}]
    a_function(FUNCTION, definition={"queue": "mail", "parameters": parameters})

    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1/0"}):
        html = admin_client.post(
            f"{address(FUNCTION)}run/", {"arg_to": "ada lovelace", "queue": "mail"}
        ).content.decode()

    assert "Nothing was submitted" in html
    assert field(html, "to") == "ada lovelace"


def test_a_function_that_nobody_registered_is_not_found(lab: Lab, admin_client: Client):
    for what in ("run", "pause", "resume"):
        assert admin_client.post(f"{address('no.such.task')}{what}/").status_code == 404


# -- a copy


def copy_of(**columns: Any) -> JobRecord:
    key = new_job_id("mail")
    return a_job(1, id=key, root_id=key, function=FUNCTION, queue="mail", **columns)


def test_a_copy_begins_with_the_arguments_of_the_job(sending: str, admin_client: Client):
    job = copy_of(arguments={"args": ["ada & co"], "kwargs": {"card": "none"}})

    html = page(admin_client, f"{sending}run/", copy=job.pk)

    assert field(html, "to") == "ada &amp; co"
    assert field(html, "card") == "none"
    assert job.pk in html


def test_a_masked_value_must_be_given_anew(sending: str, admin_client: Client):
    job = copy_of(arguments={"args": ["ada"], "kwargs": {"card": "[redacted]"}})
    url = f"{sending}run/?copy={job.pk}"

    html = page(admin_client, url)
    assert field(html, "card") == ""
    assert "It was masked: give it anew." in html

    refused = admin_client.post(url, {"arg_to": "ada", "queue": "mail"})
    assert "This field is required." in refused.content.decode()
    assert nothing_was_sent()

    admin_client.post(url, {"arg_to": "ada", "arg_card": "4111", "queue": "mail"})
    assert json.loads(bytes(only_job().envelope.args)) == [[], {"to": "ada", "card": "4111"}]


def test_of_an_encrypted_job_nothing_is_filled_in(sending: str, admin_client: Client):
    job = copy_of(arguments={"args": [], "kwargs": {}, "sealed": True})

    html = page(admin_client, f"{sending}run/", copy=job.pk)

    assert field(html, "to") == ""
    assert "It was masked: give it anew." in html


def test_a_copy_shows_no_argument_to_who_may_not_see_them(sending: str):
    job = copy_of(arguments={"args": ["ada"], "kwargs": {}})

    for number, permissions in enumerate((("view_jobrecord",), ("view_payload",))):
        client = staff(SEE, "run_function", *permissions, name=f"user{number}")
        assert field(page(client, f"{sending}run/", copy=job.pk), "to") == ""


def test_a_copy_of_a_hidden_or_unknown_job_is_not_found(sending: str, admin_client: Client):
    job = copy_of()
    environment = get_broker().environment
    own = {"REDIS_URL": environment.redis_url, "NAMESPACE": environment.namespace}

    assert admin_client.get(f"{sending}run/", {"copy": job_id(9)}).status_code == 404
    with override_settings(UPNEXT={**own, "ADMIN_QUERYSET": "tests.admin.tenants.only_the_blue_queue"}):
        assert admin_client.get(f"{sending}run/", {"copy": job.pk}).status_code == 404


# -- who may


def test_each_action_needs_its_own_permission(billing: str):
    others = [one for one in ACTIONS if one not in ("pause_function", "run_function")]
    client = staff(SEE, *others)

    html = page(client, f"{billing}change/")
    answers = [
        client.get(f"{billing}run/").status_code,
        *(client.post(f"{billing}{what}/").status_code for what in ("run", "pause", "resume")),
    ]

    assert answers == [403, 403, 403, 403]
    assert not any(f"/{what}/" in html.partition("content-main")[2] for what in ("run", "pause", "resume"))
    assert nothing_was_sent()
    assert control.paused_functions() == []


def test_one_permission_is_enough_for_its_action(billing: str):
    runs = staff(SEE, "run_function", name="runs")
    pauses = staff(SEE, "pause_function", name="pauses")

    # Who may not see jobs comes back to the function.
    after = runs.post(f"{billing}run/", {"arg_order": "7", "queue": "form"})
    assert after["Location"] == f"{billing}change/"
    assert only_job().envelope.function == bill.name
    assert pauses.post(f"{billing}pause/").status_code == 302
    assert control.paused_functions() == [bill.name]
    assert runs.post(f"{billing}resume/").status_code == pauses.get(f"{billing}run/").status_code == 403


def test_who_may_run_but_not_look_may_do_neither(billing: str):
    client = staff("run_function", "pause_function")

    for what in ("run", "pause"):
        assert client.post(f"{billing}{what}/", {"arg_order": "7", "queue": "form"}).status_code == 403
    assert nothing_was_sent()


def test_an_anonymous_visitor_is_sent_to_the_login(billing: str, client: Client):
    for what in ("run", "pause", "resume"):
        assert "/login/" in client.post(f"{billing}{what}/", {"arg_order": "7"})["Location"]
    assert nothing_was_sent()


def test_a_forged_request_without_the_token_is_refused(billing: str, admin_user: User):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert client.post(f"{billing}run/", {"arg_order": "7", "queue": "form"}).status_code == 403
    assert nothing_was_sent()


@pytest.mark.parametrize("path", ["", "change/", "run/"])
def test_no_page_of_it_has_inline_style_or_script(billing: str, admin_client: Client, path: str):
    html = page(admin_client, f"{billing}{path}" if path else FUNCTIONS)

    assert not re.search(r"<style\b|\sstyle=|\son\w+=\"|javascript:", html)
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script\b[^>]*>", html))


def test_a_window_without_jobs_is_a_page(sending: str, admin_client: Client):
    assert "No jobs ended in this time." in page(admin_client, f"{sending}change/")
