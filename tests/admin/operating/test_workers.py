"""Workers in the admin: who is there and with which jobs, quiet and stop."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from tests.admin.operating.people import ACTIONS, messages_of, noted, staff
from tests.admin.rows import a_job
from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.models import JobRecord, WorkerRecord

WORKERS = "/admin/upnext/workerrecord/"
SEE = "view_workerrecord"
#: An underscore, which the admin writes in its own way in addresses.
WORKER = "web_1-7-abc"
OWN = f"{WORKERS}web_5F1-7-abc/"


@pytest.fixture
def worker(lab: Lab) -> str:
    """Give the id of a worker that is registered and has a row."""
    register(WORKER)
    WorkerRecord.objects.create(id=WORKER, host="web1")
    return WORKER


def register(worker_id: str, *, age_s: float = 0, **about: Any) -> None:
    broker = get_broker()
    facts = {
        "host": "web1",
        "pid": 7,
        "version": "9.8.7",
        "state": "running",
        "queues": [QUEUE],
        "functions": [FUNCTION],
        "seen_ms": broker.inspector.now_ms() - int(age_s * 1000),
        "consumers": [{"name": "mail", "slots": 8, "used": 3, "suspended": 0, "capabilities": {}}],
        **about,
    }
    with broker.clients.sync() as link:
        link.execute([b"HSET", broker.names.workers, worker_id, json.dumps(facts)])


def orders(worker_id: str = WORKER) -> list[str]:
    """Return what the worker finds in its inbox."""
    broker = get_broker()
    with broker.clients.sync() as link:
        entries = link.execute([b"XRANGE", broker.keys(QUEUE).inbox(worker_id), b"-", b"+"])
    return [fields[1].decode() for _, fields in entries]


def page(client: Client, url: str = WORKERS) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def live_part(html: str) -> str:
    return html.partition('id="upnext-workers"')[2].partition("</table>")[0]


@pytest.mark.parametrize("url", [WORKERS, f"{OWN}change/"])
def test_a_worker_is_shown_with_what_it_runs(worker: str, lab: Lab, admin_client: Client, url: str):
    key = lab.submit_one()
    lab.claim(worker=WORKER)
    a_job(1, id=key, root_id=key, status="active", completed_at=None)

    html = live_part(page(admin_client, url))

    for text in (WORKER, "web1", "9.8.7", "takes work", QUEUE, "3/8", FUNCTION, f"/jobrecord/{key}/change/"):
        assert text in html
    assert f'href="{OWN}change/"' in html


@pytest.mark.parametrize(
    ("about", "word"),
    [({"state": "quiet"}, "quiet"), ({"state": "stopping"}, "stopping"), ({"age_s": 500}, "silent")],
)
def test_its_state_is_a_word(worker: str, admin_client: Client, about: dict[str, Any], word: str):
    register(WORKER, **about)

    assert f"</span> {word}</span>" in live_part(page(admin_client))


def test_a_worker_without_a_row_has_no_link(lab: Lab, admin_client: Client):
    register("fresh-8-def")

    html = live_part(page(admin_client))

    assert "fresh-8-def" in html
    assert "/fresh-8-def/change/" not in html


def test_names_are_escaped_and_their_signs_shown(lab: Lab, admin_client: Client):
    register("odd", host="<b>\u202e")

    html = page(admin_client)

    assert "&lt;b&gt;[U+202E]" in html
    assert "<b>" not in live_part(html)


def test_the_list_costs_the_same_for_one_and_for_twenty(worker: str, lab: Lab, admin_client: Client):
    page(admin_client)
    with CaptureQueriesContext(connection) as for_one:
        page(admin_client)
    for number in range(20):
        register(f"web2-{number}")
        WorkerRecord.objects.create(id=f"web2-{number}")

    with CaptureQueriesContext(connection) as for_twenty:
        page(admin_client)

    assert len(for_twenty) == len(for_one)


def test_without_redis_the_rows_are_shown(admin_client: Client):
    WorkerRecord.objects.create(id="web1-9", host="web1")

    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1/0"}):
        html = page(admin_client)

    assert "Live data is not available" in html
    assert "web1-9" in html


def test_it_is_told_to_be_quiet_and_to_take_work_again(worker: str, admin_client: Client):
    quiet = admin_client.post(f"{OWN}quiet/")
    assert "told to take no more work" in messages_of(quiet)
    assert quiet["Location"] == WORKERS

    admin_client.post(f"{OWN}resume/")
    assert orders() == ["quiet", "resume"]
    assert noted() == ["Told to take no more work.", "Told to take work again."]


def test_to_stop_it_is_asked_once_more(worker: str, admin_client: Client):
    asked = admin_client.post(f"{OWN}stop/")
    assert "Stop this process?" in asked.content.decode()
    assert orders() == []

    admin_client.post(f"{OWN}stop/", {"confirmed": "yes"})
    assert orders() == ["stop"]


def test_what_is_offered_fits_its_state(worker: str, admin_client: Client):
    def offered() -> list[str]:
        return re.findall(r'action="[^"]*/(quiet|resume|stop)/"', page(admin_client))

    assert offered() == ["quiet", "stop"]
    register(WORKER, state="quiet")
    assert offered() == ["resume", "stop"]
    register(WORKER, state="stopping")
    assert offered() == []


@pytest.mark.parametrize("what", ["quiet", "resume", "stop"])
def test_a_get_orders_nothing(worker: str, admin_client: Client, what: str):
    assert admin_client.get(f"{OWN}{what}/", {"confirmed": "yes"}).status_code == 405
    assert orders() == []


@pytest.mark.parametrize("what", ["quiet", "resume", "stop"])
def test_one_that_has_gone_cannot_be_told_and_nothing_is_noted(lab: Lab, admin_client: Client, what: str):
    response = admin_client.post(f"{OWN}{what}/", {"confirmed": "yes"})

    assert f"No worker {WORKER} is registered" in messages_of(response)
    assert orders() == []
    assert noted() == []


@pytest.mark.parametrize(
    ("about", "said"), [({"queues": []}, "serves no queue"), ({"state": None}, "knows no such orders")]
)
def test_one_that_hears_no_orders_is_told_by_a_signal(
    worker: str, admin_client: Client, about: dict[str, Any], said: str
):
    register(WORKER, **about)

    response = admin_client.post(f"{OWN}quiet/")

    assert said in messages_of(response)
    assert orders() == []


@pytest.mark.parametrize("what", ["quiet", "resume", "stop"])
def test_orders_need_their_own_permission(worker: str, what: str):
    sees = staff(SEE, *(one for one in ACTIONS if one != "control_worker"), name="sees")
    blind = staff("control_worker", name="blind")

    assert [client.post(f"{OWN}{what}/", {"confirmed": "yes"}).status_code for client in (sees, blind)] == [
        403,
        403,
    ]
    assert orders() == []
    assert f"/{what}/" not in live_part(page(sees))

    able = staff(SEE, "control_worker", name="able")
    able.post(f"{OWN}{what}/", {"confirmed": "yes"})
    assert orders() == [what]


def test_an_anonymous_visitor_is_sent_to_the_login(worker: str, client: Client):
    for what in ("quiet", "resume", "stop"):
        assert "/login/" in client.post(f"{OWN}{what}/", {"confirmed": "yes"})["Location"]
    assert orders() == []


def test_a_forged_request_without_the_token_is_refused(worker: str, admin_user: User):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert client.post(f"{OWN}quiet/").status_code == 403
    assert orders() == []


def test_who_may_see_no_jobs_gets_no_links_to_them(worker: str, lab: Lab):
    key = lab.submit_one()
    lab.claim(worker=WORKER)
    a_job(1, id=key, root_id=key, status="active")
    assert JobRecord.objects.count() == 1

    html = live_part(page(staff(SEE)))

    assert FUNCTION in html
    assert key not in html


def test_a_worker_that_the_projects_rule_hides_is_neither_shown_nor_told(worker: str, admin_client: Client):
    environment = get_broker().environment
    own = {"REDIS_URL": environment.redis_url, "NAMESPACE": environment.namespace}

    with override_settings(UPNEXT={**own, "ADMIN_QUERYSET": f"{__name__}.no_workers"}):
        html = page(admin_client)
        answers = [
            admin_client.post(f"{OWN}{what}/", {"confirmed": "yes"}).status_code
            for what in ("quiet", "resume", "stop")
        ]

    assert WORKER not in html
    assert answers == [404, 404, 404]
    assert orders() == []


def no_workers(request: Any, rows: Any) -> Any:
    return rows.none() if rows.model is WorkerRecord else rows
