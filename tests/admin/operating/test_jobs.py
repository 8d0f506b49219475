"""What the list of jobs does to many, and a copy of one."""

from __future__ import annotations

import msgspec
import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.operating.people import ACTIONS, action, answered, confirmed, messages_of, noted, staff
from tests.admin.operating.test_dead_letters import failed
from tests.admin.rows import a_function, a_job, a_log_line, an_attempt, job_id
from tests.broker.lab import FUNCTION, Lab
from upnext_django.connection import get_broker
from upnext_django.core.job import Envelope
from upnext_django.models import AttemptRecord, DeadLetterRecord, JobRecord, LogRecord

JOBS = "/admin/upnext/jobrecord/"
EVER = f"{JOBS}?when=all"
SEE = "view_jobrecord"


def waiting(lab: Lab) -> str:
    """Submit a job, in Redis and in the rows."""
    key = lab.submit_one(envelope=msgspec.json.encode(Envelope(function=FUNCTION, function_name="send")))
    a_job(1, id=key, root_id=key, function=FUNCTION, queue="mail", status="queued", completed_at=None)
    return key


def status(key: str) -> str:
    job = get_broker().job_sync(key)
    assert job is not None
    return str(job.status)


def jobs_waiting(lab: Lab) -> int:
    return int(lab.run(b"XLEN", lab.keys.stream(f"stream:{FUNCTION}:1")))


def test_the_selected_are_cancelled_after_a_question(lab: Lab, admin_client: Client):
    first, second, third = (waiting(lab) for _ in range(3))

    asked = admin_client.post(JOBS, action("cancel_selected", first, second))
    assert "It is about 2 jobs." in asked.content.decode()
    assert status(first) == "queued"

    done = admin_client.post(JOBS, confirmed("cancel_selected", first, second))
    assert "2 jobs cancelled." in messages_of(done)
    assert [status(key) for key in (first, second, third)] == ["cancelled", "cancelled", "queued"]
    assert noted() == ["Cancelled.", "Cancelled."]


def test_of_all_that_match_only_the_live_ones_are_cancelled(lab: Lab, admin_client: Client):
    first = waiting(lab)
    waiting(lab)
    a_job(7)

    asked = admin_client.post(EVER, action("cancel_selected", first, select_across="1"))
    done = answered(admin_client, EVER, asked)

    assert "It is about 2 jobs." in asked.content.decode()
    assert "2 jobs cancelled." in messages_of(done)


def test_one_that_has_ended_is_refused(lab: Lab, admin_client: Client):
    key = waiting(lab)
    lab.cancel(key)

    done = admin_client.post(JOBS, confirmed("cancel_selected", key))

    assert "is not live any more" in messages_of(done)


def test_the_selected_are_retried_after_a_question(lab: Lab, admin_client: Client):
    keys = [failed(lab) for _ in range(2)]
    completed = a_job(7)

    admin_client.post(JOBS, action("retry_selected", *keys))
    assert jobs_waiting(lab) == 0

    done = admin_client.post(JOBS, confirmed("retry_selected", *keys, completed.pk))
    assert "2 jobs retried. 1 refused:" in messages_of(done)
    assert jobs_waiting(lab) == 2


def test_of_all_that_match_those_that_were_replayed_are_not_tried_again(lab: Lab, admin_client: Client):
    keys = [failed(lab) for _ in range(2)]
    failed(lab, replayed_as=job_id(9))
    a_job(7)

    done = admin_client.post(JOBS, action("retry_selected", keys[0], select_across="1"))

    assert "It is about 2 jobs." in done.content.decode()


@pytest.mark.django_db
def test_the_deleted_take_everything_along(admin_client: Client):
    job, other = a_job(1, status="failed"), a_job(2)
    for one in (job, other):
        an_attempt(one, 1)
        a_log_line(one, 0, "line")
    DeadLetterRecord.objects.create(
        job_id=job.pk,
        function="f",
        function_name="f",
        queue="q",
        failed_at=timezone.now(),
        attempts=1,
        crashes=0,
        discarded_at=timezone.now(),
    )

    asked = admin_client.post(JOBS, action("delete_rows", job.pk))
    assert "Delete them from the history" in asked.content.decode()
    assert JobRecord.objects.count() == 2

    done = admin_client.post(JOBS, confirmed("delete_rows", job.pk))
    assert "1 job deleted." in messages_of(done)
    assert list(JobRecord.objects.values_list("pk", flat=True)) == [other.pk]
    assert [model.objects.count() for model in (AttemptRecord, LogRecord, DeadLetterRecord)] == [1, 1, 0]
    assert noted() == ["Deleted."]


@pytest.mark.django_db
def test_of_all_that_match_only_what_may_go_is_deleted(admin_client: Client):
    a_job(1)
    a_job(2, status="active", completed_at=None)
    a_job(3)

    asked = admin_client.post(EVER, action("delete_rows", job_id(3), select_across="1"))
    done = answered(admin_client, EVER, asked)

    assert "2 jobs deleted." in messages_of(done)
    assert [job.pk for job in JobRecord.objects.all()] == [job_id(2)]


@pytest.mark.django_db
def test_django_itself_deletes_no_job(admin_client: Client):
    job = a_job(1)

    admin_client.post(JOBS, action("delete_selected", job.pk, post="yes"))

    assert admin_client.post(f"{JOBS}{job.pk}/delete/", {"post": "yes"}).status_code == 403
    assert JobRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "needed"),
    [("retry_selected", "retry_job"), ("cancel_selected", "cancel_job"), ("delete_rows", "delete_jobrecord")],
)
def test_each_action_needs_its_own_permission(lab: Lab, name: str, needed: str):
    dead, live, over = failed(lab), waiting(lab), a_job(7)
    others = staff(SEE, *(one for one in ACTIONS if one != needed))

    html = others.get(EVER).content.decode()
    for fields in ({}, {"select_across": "1"}):
        others.post(EVER, action(name, dead, live, over.pk, **fields))
        others.post(EVER, confirmed(name, dead, live, over.pk, **fields))

    assert f'value="{name}"' not in html
    assert jobs_waiting(lab) == 1
    assert status(live) == "queued"
    assert JobRecord.objects.count() == 3

    able = staff(SEE, needed, name="able")
    able.post(EVER, confirmed(name, dead, live, over.pk))
    assert (jobs_waiting(lab), status(live), JobRecord.objects.count()) != (1, "queued", 3)


def test_a_viewer_is_offered_no_action(lab: Lab):
    waiting(lab)

    html = staff(SEE).get(EVER).content.decode()

    assert "_selected_action" not in html


def test_an_action_in_an_address_changes_nothing(lab: Lab, admin_client: Client):
    key = waiting(lab)

    admin_client.get(JOBS, confirmed("cancel_selected", key))

    assert status(key) == "queued"


def test_an_action_stays_in_what_the_projects_rule_shows(lab: Lab, admin_client: Client):
    hidden, shown = waiting(lab), waiting(lab)
    JobRecord.objects.filter(pk=shown).update(queue="blue")
    rule = {"ADMIN_QUERYSET": "tests.admin.tenants.only_the_blue_queue"}
    environment = get_broker().environment
    own = {"REDIS_URL": environment.redis_url, "NAMESPACE": environment.namespace}

    with override_settings(UPNEXT={**own, **rule}):
        admin_client.post(EVER, confirmed("cancel_selected", hidden, shown))
        answered(
            admin_client, EVER, admin_client.post(EVER, action("cancel_selected", hidden, select_across="1"))
        )

    assert status(hidden) == "queued"
    assert status(shown) == "cancelled"


def test_a_job_without_its_row_is_on_its_way(lab: Lab, admin_client: Client):
    key = lab.submit_one()

    html = admin_client.get(f"{JOBS}{key}/change/").content.decode()

    assert key in html
    assert '<meta http-equiv="refresh" content="2">' in html
    assert "On its way" in html
    assert "<script" not in html.partition("content-main")[2]


def test_a_job_that_nobody_knows_is_not_on_its_way(lab: Lab, admin_client: Client):
    assert admin_client.get(f"{JOBS}{job_id(3)}/change/").status_code == 302


def test_who_sees_no_jobs_sees_none_on_their_way(lab: Lab):
    key = lab.submit_one()

    assert staff("view_workerrecord").get(f"{JOBS}{key}/change/").status_code == 403


@pytest.mark.django_db
def test_the_page_of_a_job_offers_a_copy_to_who_may_run_it():
    job = a_job(1)
    a_function("shop.tasks.pay")
    copy = f"/admin/upnext/functionrecord/shop.tasks.pay/run/?copy={job.pk}"

    runs = staff(SEE, "view_payload", "run_function", "view_functionrecord", name="runs")
    looks = staff(SEE, "view_payload", "view_functionrecord", name="looks")
    blind = staff(SEE, "run_function", "view_functionrecord", name="blind")

    url = f"{JOBS}{job.pk}/change/"
    assert [copy in client.get(url).content.decode() for client in (runs, looks, blind)] == [
        True,
        False,
        False,
    ]


@pytest.mark.django_db
def test_the_actions_cost_no_query_for_each_row(admin_client: Client):
    a_job(1)
    admin_client.post(EVER, action("delete_rows", job_id(1), select_across="1"))
    with CaptureQueriesContext(connection) as for_one:
        admin_client.post(EVER, action("delete_rows", job_id(1), select_across="1"))
    for number in range(2, 41):
        a_job(number)

    with CaptureQueriesContext(connection) as for_many:
        admin_client.post(EVER, action("delete_rows", job_id(1), select_across="1"))

    assert len(for_many) == len(for_one)
