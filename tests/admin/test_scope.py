"""``UPNEXT["ADMIN_QUERYSET"]``: a project's own rule of which rows a user gets to see and to act upon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from tests.admin.forms import sent
from tests.admin.rows import a_function, a_job, a_log_line, an_attempt, job_id
from tests.admin.tenants import (  # noqa: F401
    OURS,
    THEIRS,
    all_for_root,
    all_that_is_blue,
    either_rule,
    only_the_blue_queue,
    short_rule,
    whole_rule,
)
from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob
from upnext_django.models import (
    DeadLetterRecord,
    JobRecord,
    LogRecord,
    OutboxEntry,
    Secret,
    StatRecord,
    WorkerRecord,
)
from upnext_django.operations.scope import scoped

pytestmark = pytest.mark.django_db


@pytest.fixture
def blue_and_red() -> tuple[JobRecord, JobRecord]:
    return (
        a_job(1, queue="blue", function=OURS, function_name="pay"),
        a_job(2, queue="red", function=THEIRS, function_name="refund"),
    )


def page(client: Client, name: str, *args: str, **query: str) -> str:
    response = client.get(reverse(f"admin:upnext_{name}", args=args), query)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def a_letter(job: JobRecord, fingerprint: str = "f" * 16, error: str = "ValueError: no") -> DeadLetterRecord:
    an_attempt(job, 1, outcome="failed", traceback=f"Traceback of {job.queue}")
    return DeadLetterRecord.objects.create(
        job_id=job.pk,
        function=job.function,
        function_name=job.function_name,
        queue=job.queue,
        failed_at=timezone.now() - timedelta(minutes=int(job.pk[-1], 16)),
        attempts=1,
        crashes=0,
        error_type="ValueError",
        error=error,
        fingerprint=fingerprint,
        message=error,
    )


def ended(function: str, queue: str, jobs: int, outcome: str = "complete") -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    for period, start in ((60, now - timedelta(minutes=1)), (3600, now.replace(minute=0))):
        StatRecord.objects.create(
            period=period,
            start=start,
            function=function,
            queue=queue,
            outcome=outcome,
            bound_ms=50,
            jobs=jobs,
            ran_ms=jobs,
        )


def test_a_job_outside_the_rule_is_in_no_list_and_has_no_page(
    admin_client: Client, blue_and_red: tuple[JobRecord, JobRecord]
):
    blue, red = blue_and_red
    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.only_the_blue_queue"}):
        listed = admin_client.get(reverse("admin:upnext_jobrecord_changelist")).content.decode()
        pages = [
            admin_client.get(reverse(f"admin:upnext_jobrecord_{page}", args=[red.pk])).status_code
            for page in ("change", "tree")
        ]

    assert blue.pk in listed
    assert red.pk not in listed
    assert 200 not in pages


def test_a_rule_that_is_no_function_is_refused():
    with (
        override_settings(UPNEXT={"ADMIN_QUERYSET": "no.such.rule"}),
        pytest.raises(ImproperlyConfigured, match=r"ADMIN_QUERYSET.*can be imported"),
    ):
        conf.get()


@pytest.mark.usefixtures("either_rule")
def test_what_belongs_to_a_job_is_seen_with_the_job_alone(
    admin_client: Client, rf: Any, blue_and_red: tuple[JobRecord, JobRecord]
):
    for job in blue_and_red:
        a_letter(job)
        a_log_line(job, 0, "said")
    OutboxEntry.objects.create(job_id=job_id(9), function=THEIRS, queue="red", item=b"{}")
    request = rf.get("/")
    request.user = User.objects.get()

    assert [row.job_id for row in scoped(request, LogRecord.objects.all())] == [job_id(1)]
    assert [row.pk for row in scoped(request, DeadLetterRecord.objects.all())] == [job_id(1)]
    assert job_id(2) not in page(admin_client, "deadletterrecord_changelist")
    assert THEIRS not in page(admin_client, "outboxentry_changelist")


@pytest.mark.usefixtures("either_rule")
def test_groups_of_failures_are_those_of_the_seen_jobs(
    admin_client: Client, blue_and_red: tuple[JobRecord, JobRecord]
):
    blue, red = blue_and_red
    other = a_job(3, queue="red", function=THEIRS, function_name="refund")
    a_letter(blue)
    a_letter(red)
    a_letter(other, "e" * 16, "KeyError: theirs alone")

    groups = page(admin_client, "failure_changelist")
    detail = page(admin_client, "failure_detail", "f" * 16)

    assert "theirs alone" not in groups
    assert "refund" not in groups
    assert "Traceback of blue" in detail
    assert red.pk not in detail
    assert re.search(r"<dt>Jobs</dt><dd>1</dd>", detail)
    assert admin_client.get(reverse("admin:upnext_failure_detail", args=["e" * 16])).status_code == 404
    assert admin_client.get(reverse("admin:upnext_failure_discard", args=["e" * 16])).status_code == 404


@pytest.mark.usefixtures("either_rule")
def test_a_tree_shows_the_part_that_is_seen(admin_client: Client, blue_and_red: tuple[JobRecord, JobRecord]):
    blue, _ = blue_and_red
    ours = a_job(3, queue="blue", parent_id=blue.pk, root_id=blue.pk, function_name="pay_more")
    theirs = a_job(
        4, queue="red", parent_id=blue.pk, root_id=blue.pk, function_name="refund", status="failed"
    )
    below = a_job(5, queue="blue", parent_id=theirs.pk, root_id=blue.pk, function_name="pay_less")

    tree = page(admin_client, "jobrecord_tree", blue.pk)
    data = page(admin_client, "jobrecord_tree_data", blue.pk)
    retry_url = reverse("admin:upnext_jobrecord_tree_retry", args=[blue.pk])
    retry = admin_client.get(retry_url, follow=True).content.decode()

    for html in (tree, data):
        assert theirs.pk not in html
        assert "refund" not in html
        assert ours.pk in html
        assert below.pk in html
    assert theirs.pk not in retry
    assert "refund" not in retry


@pytest.mark.usefixtures("either_rule")
def test_only_seen_children_are_counted(admin_client: Client, blue_and_red: tuple[JobRecord, JobRecord]):
    blue, _ = blue_and_red
    for number in range(3, 6):
        a_job(number, queue="red", parent_id=blue.pk, root_id=blue.pk)
    a_job(6, queue="blue", parent_id=blue.pk, root_id=blue.pk)

    html = page(admin_client, "jobrecord_change", blue.pk)

    assert f'?parent_id={blue.pk}">1</a>' in html


@pytest.mark.usefixtures("either_rule")
@pytest.mark.parametrize("action", ["retry_selected", "cancel_selected", "delete_rows"])
@pytest.mark.parametrize("across", ["0", "1"])
def test_no_action_on_many_takes_a_job_that_is_not_seen(
    admin_client: Client, blue_and_red: tuple[JobRecord, JobRecord], action: str, across: str
):
    red = a_job(4, queue="red", function_name="refund_all", status="failed")
    given = {"action": action, "select_across": across, "index": "0", "_selected_action": [red.pk, job_id(2)]}

    url = f"{reverse('admin:upnext_jobrecord_changelist')}?when=all"
    asked = admin_client.post(url, given, follow=True)
    sent(admin_client, url, given)
    admin_client.post(url, {**given, "confirmed": "yes"})

    assert "refund" not in asked.content.decode()
    assert set(JobRecord.objects.filter(queue="red").values_list("pk", flat=True)) == {red.pk, job_id(2)}
    assert not LogEntry.objects.filter(object_id__in=[red.pk, job_id(2)]).exists()


@pytest.mark.usefixtures("short_rule")
@pytest.mark.parametrize(
    "name", ["overview_changelist", "functionrecord_changelist", "functionrecord_change"]
)
def test_statistics_that_count_everybody_are_not_shown(admin_client: Client, name: str):
    a_function(OURS, queue="blue")
    ended(OURS, "blue", 71_234)

    html = page(admin_client, name, *([OURS] if name.endswith("_change") else []))

    assert "Statistics are not shown" in html
    assert not re.search(r"71,?234", html)


@pytest.mark.usefixtures("whole_rule")
@pytest.mark.parametrize(
    "name", ["overview_changelist", "functionrecord_changelist", "functionrecord_change"]
)
def test_statistics_that_the_rule_narrows_are_the_users_own(admin_client: Client, name: str):
    a_function(OURS, queue="blue")
    ended(OURS, "blue", 64)
    ended(OURS, "red", 71_000)
    ended(THEIRS, "red", 71_000, "failed")

    html = page(admin_client, name, *([OURS] if name.endswith("_change") else []))

    assert "Statistics are not shown" not in html
    assert re.search(r">\s*64\s*<", html)
    assert not re.search(r"\b71,?(000|064)\b", html)
    assert THEIRS not in html


def test_who_the_rule_leaves_alone_sees_everything(client: Client):
    root = User.objects.create_superuser("root")
    a_function(THEIRS, queue="red")
    ended(THEIRS, "red", 64)
    client.force_login(root)
    with override_settings(UPNEXT={"ADMIN_QUERYSET": f"{__name__}.all_for_root"}):
        html = page(client, "functionrecord_changelist") + page(client, "overview_changelist")

    assert THEIRS in html
    assert ">64<" in html
    assert "Statistics are not shown" not in html


@pytest.mark.usefixtures("either_rule")
def test_the_health_of_everybodys_jobs_is_not_told(admin_client: Client):
    a_letter(a_job(1, queue="red"))

    html = page(admin_client, "overview_changelist")

    assert "open ones of the last 24 hours" not in html
    assert "jobs wait" not in html
    assert "dead letters wait" not in html


@pytest.mark.usefixtures("whole_rule")
def test_filters_offer_what_is_seen(admin_client: Client):
    a_function(OURS, queue="blue")
    a_function(THEIRS, queue="red")
    WorkerRecord.objects.create(id="blue-1")
    WorkerRecord.objects.create(id="crimson-1")

    html = page(admin_client, "jobrecord_changelist")

    assert "blue-1" in html
    assert OURS in html
    assert "crimson-1" not in html
    assert THEIRS not in html
    assert "queue=red" not in html


@pytest.mark.usefixtures("whole_rule")
def test_secrets_of_others_have_no_page(admin_client: Client):
    for name in ("blue_key", "crimson_key"):
        Secret.objects.create(name=name, ciphertext="x", created_at=timezone.now(), updated_at=timezone.now())

    assert "crimson_key" not in page(admin_client, "secret_changelist")
    response = admin_client.post(reverse("admin:upnext_secret_delete", args=["crimson_key"]), {"post": "yes"})
    assert response.status_code in (302, 404)
    assert Secret.objects.filter(name="crimson_key").exists()


# -- with Redis


@pytest.fixture
def waiting(valkey_url: str, namespace: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have 2 jobs of ours in the queue blue, 2 more and 1,311 of theirs in shared; the rule is the test's."""
    rule = getattr(request, "param", "all_that_is_blue")
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "ADMIN_QUERYSET": f"{__name__}.{rule}"}
    with override_settings(UPNEXT=own):
        a_function(OURS, queue="blue")
        a_function(THEIRS, queue="shared")
        for queue in ("blue", "shared"):
            jobs = [
                NewJob(id=new_job_id(queue), queue=queue, function=function, envelope=b'{"fn":"x"}')
                for function, count in ((OURS, 2), (THEIRS, 1_311 if queue == "shared" else 0))
                for _ in range(count)
            ]
            get_broker().submit_sync(jobs)
        yield


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(
    ("name", "args"), [("queue_changelist", []), ("queue_detail", ["shared"]), ("overview_changelist", [])]
)
def test_queues_are_told_by_the_functions_that_are_seen(admin_client: Client, name: str, args: list[str]):
    html = page(admin_client, name, *args)

    assert "shared" in html
    assert "Only jobs of functions that you may see are counted" in html
    body = html.partition('id="upnext-')[2]
    assert body
    assert not re.search(r"\b1,?31[13]\b", body)
    assert THEIRS not in body


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("waiting", ["only_the_blue_queue"], indirect=True)
@pytest.mark.parametrize("name", ["queue_changelist", "overview_changelist"])
def test_a_rule_of_jobs_alone_shows_no_queue(admin_client: Client, name: str):
    html = page(admin_client, name)

    assert "No queue is shown" in html
    assert "shared" not in html
    assert admin_client.get(reverse("admin:upnext_queue_detail", args=["shared"])).status_code == 404


@pytest.mark.usefixtures("waiting")
def test_a_queue_with_functions_of_others_cannot_be_paused(admin_client: Client):
    shared = admin_client.post(reverse("admin:upnext_queue_pause", args=["shared"])).status_code
    own = admin_client.post(reverse("admin:upnext_queue_pause", args=["blue"])).status_code

    operator = get_broker().inspector
    assert (shared, own) == (403, 302)
    assert [operator.counts(queue).paused for queue in ("shared", "blue")] == [False, True]
    html = page(admin_client, "queue_changelist")
    assert reverse("admin:upnext_queue_resume", args=["blue"]) in html
    assert reverse("admin:upnext_queue_pause", args=["shared"]) not in html


@pytest.mark.usefixtures("waiting")
def test_to_cancel_a_tree_cancels_what_is_seen_of_it(admin_client: Client):
    top, ours, theirs = (new_job_id(queue) for queue in ("blue", "blue", "shared"))
    for one, queue, parent in ((top, "blue", None), (ours, "blue", top), (theirs, "shared", top)):
        envelope = f'{{"fn":"x","parent_id":{f"{parent!r}".replace(chr(39), chr(34)) if parent else "null"}}}'
        new = NewJob(id=one, queue=queue, function=OURS, envelope=envelope.encode())
        get_broker().submit_sync([new])
        columns: dict[str, Any] = {"completed_at": None, "started_at": None, "parent_id": parent}
        a_job(1, id=one, root_id=top, queue=queue, status="queued", **columns)

    sent(admin_client, reverse("admin:upnext_jobrecord_tree_cancel", args=[top]), {})

    states = {one: get_broker().job_sync(one) for one in (top, ours, theirs)}
    assert {one: live.status for one, live in states.items() if live is not None} == {
        top: "cancelled",
        ours: "cancelled",
        theirs: "queued",
    }
