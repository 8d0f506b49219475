"""``UPNEXT["ADMIN_QUERYSET"]`` on the pages of one job and of schedules."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.admin.rows import a_function, a_job, a_log_line, an_attempt
from tests.admin.tenants import OURS, THEIRS, rule_of_lines, whole_rule
from upnext_django.models import DeadLetterRecord, Schedule

__all__ = ["rule_of_lines", "whole_rule"]

pytestmark = pytest.mark.django_db

OF_A_SCHEDULE = {
    "name": "blue nightly",
    "expression": "0 0 * * *",
    "args": "[]",
    "kwargs": "{}",
    "missed_run_policy": "latest_only",
}


@pytest.mark.usefixtures("rule_of_lines")
def test_lines_and_attempts_that_are_not_seen_are_on_no_page(admin_client: Client):
    job = a_job(1, function=OURS, status="failed")
    an_attempt(job, 1, outcome="failed", traceback="a line of the traceback")
    a_log_line(job, 1, "what the job wrote")
    DeadLetterRecord.objects.create(
        job_id=job.pk, function=OURS, queue="blue", failed_at=timezone.now(), attempts=1, crashes=0
    )

    for model in ("jobrecord", "deadletterrecord"):
        response = admin_client.get(reverse(f"admin:upnext_{model}_change", args=[job.pk]))
        assert response.status_code == 200
        html = response.content.decode()
        assert "a line of the traceback" not in html
        assert "what the job wrote" not in html


@pytest.mark.usefixtures("whole_rule")
def test_a_schedule_keeps_to_the_queue_of_its_function(admin_client: Client):
    a_function(OURS, queue="blue")
    given = {**OF_A_SCHEDULE, "function": OURS, "queue": "red"}

    response = admin_client.post(reverse("admin:upnext_schedule_add"), given)

    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert errors["queue"] == ["Leave it empty, for the function's own queue."]
    assert not Schedule.objects.exists()


@pytest.mark.usefixtures("whole_rule")
def test_a_schedule_is_of_a_function_that_is_seen(admin_client: Client):
    a_function(OURS, queue="blue")
    a_function(THEIRS, queue="red")
    given = {**OF_A_SCHEDULE, "function": THEIRS}

    response = admin_client.post(reverse("admin:upnext_schedule_add"), given)

    assert response.status_code == 200
    assert "You know no function" in response.content.decode()
    assert not Schedule.objects.exists()
