"""The history's pages in the admin: what they show, to whom, and at what cost."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.admin.rows import a_function, a_job, a_log_line, an_attempt, job_id
from upnext_django.models import DeadLetterRecord, JobRecord, WorkerRecord

pytestmark = pytest.mark.django_db

JOBS = "/admin/upnext/jobrecord/"
LISTS = ["jobrecord", "deadletterrecord", "workerrecord", "functionrecord", "outboxentry"]


def page(client: Client, url: str, **query: Any) -> str:
    response = client.get(url, query)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def queries(client: Client, url: str, **query: Any) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        page(client, url, **query)
    return [one["sql"] for one in captured.captured_queries]


def shown(html: str) -> list[int]:
    """Return the numbers of the jobs in a list, in its order."""
    return [
        int(number, 16) for number in re.findall(r"/jobrecord/019a0000-0000-7000-8000-(\w+)/change/", html)
    ]


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("someone", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def letters() -> None:
    for number in range(3):
        DeadLetterRecord.objects.create(
            job_id=job_id(number),
            function="shop.tasks.pay",
            function_name="pay",
            queue="shop",
            failed_at=timezone.now(),
            attempts=2,
            crashes=0,
            error="ValueError: no",
        )


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_is_a_page(admin_client: Client, name: str) -> None:
    assert "0 " in page(admin_client, reverse(f"admin:upnext_{name}_changelist"))


def test_the_newest_job_is_first(admin_client: Client) -> None:
    for number in (2, 3, 1):
        a_job(number)

    assert shown(page(admin_client, JOBS)) == [3, 2, 1]


def test_a_status_is_an_icon_and_a_word(admin_client: Client) -> None:
    a_job(1, status="failed")

    html = page(admin_client, JOBS)

    assert '<span class="upnext-pill upnext-failed"><span aria-hidden="true">✗</span> failed</span>' in html


@pytest.mark.parametrize("query", [{}, {"q": job_id(1)[:20]}, {"status__exact": "complete"}, {"when": "all"}])
def test_a_list_costs_the_same_for_one_job_and_for_fifty(admin_client: Client, query: dict[str, str]) -> None:
    a_job(1)
    page(admin_client, JOBS)  # the session and the content types are cached from here on
    for_one = queries(admin_client, JOBS, **query)
    for number in range(2, 51):
        a_job(number)

    for_fifty = queries(admin_client, JOBS, **query)

    assert len(for_fifty) == len(for_one)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", [{}, {"when": "all"}])
def test_no_list_counts_a_whole_table(admin_client: Client, name: str, query: dict[str, str]) -> None:
    if name != "jobrecord":
        query = {}

    sqls = queries(admin_client, reverse(f"admin:upnext_{name}_changelist"), **query)

    counting = [sql for sql in sqls if "COUNT(" in sql and "upnext_" in sql]
    assert counting
    assert all("LIMIT 10000" in sql for sql in counting)


def test_the_list_reads_no_big_column(admin_client: Client) -> None:
    a_job(1, result={"large": "x" * 1000})

    [listing] = [sql for sql in queries(admin_client, JOBS) if '"worker_id"' in sql]

    assert "arguments" not in listing
    assert '"result"' not in listing


def test_an_old_job_is_shown_on_demand(admin_client: Client) -> None:
    a_job(1, created_at=timezone.now() - timedelta(days=3))

    assert shown(page(admin_client, JOBS)) == []
    assert shown(page(admin_client, JOBS, when="7d")) == [1]
    assert shown(page(admin_client, JOBS, when="1h")) == []
    assert shown(page(admin_client, JOBS, when="all")) == [1]
    assert shown(page(admin_client, JOBS, q=job_id(1))) == [1]


@pytest.mark.parametrize("term", [job_id(1), job_id(1).upper(), "key-1", "pay", "shop.tasks.pay"])
def test_a_job_is_found_by(admin_client: Client, term: str) -> None:
    a_function("shop.tasks.pay")
    a_job(1, idempotency_key="key-1")
    a_job(2, function="shop.tasks.ship", function_name="ship")

    assert shown(page(admin_client, JOBS, q=term)) == [1]


def test_the_beginning_of_an_id_finds_all_that_begin_so(admin_client: Client) -> None:
    a_job(1)
    a_job(2)
    a_job(3, id="02000000-0000-7000-8000-000000000003")

    assert shown(page(admin_client, JOBS, q="019a0000-0000")) == [2, 1]


def test_jobs_are_filtered_by_function_and_queue(admin_client: Client) -> None:
    a_function("shop.tasks.pay")
    a_function("shop.tasks.mail", queue="mails")
    a_job(1)
    a_job(2, function="shop.tasks.mail", queue="mails")

    assert shown(page(admin_client, JOBS, function="shop.tasks.mail")) == [2]
    assert shown(page(admin_client, JOBS, queue="shop")) == [1]


def test_a_job_page_shows_everything_of_the_job(admin_client: Client) -> None:
    a_job(1)
    job = a_job(
        2,
        status="failed",
        parent_id=job_id(1),
        root_id=job_id(1),
        error="ValueError: <b>no</b>",
        progress=40.0,
        progress_message="packing",
        result={"sum": 5},
        checkpoint={"row": 9},
    )
    a_job(3, parent_id=job.pk, root_id=job_id(1))
    an_attempt(job, 1, outcome="failed", error="ValueError: first", traceback="Traceback of first")
    an_attempt(job, 2, outcome="lost", worker_id="web2-7")
    a_log_line(job, 0, "half of it")

    html = page(admin_client, f"{JOBS}{job.pk}/change/")

    for text in (
        "ValueError: &lt;b&gt;no&lt;/b&gt;",
        "Traceback of first",
        "web2-7",
        "worker lost",
        "half of it",
        "packing",
        "&quot;sum&quot;: 5",
        "&quot;row&quot;: 9",
        f"{JOBS}{job_id(1)}/change/",
        f"{JOBS}?parent_id={job.pk}",
        f"{JOBS}{job.pk}/tree/",
    ):
        assert text in html
    assert "<b>no</b>" not in html


def test_a_job_page_says_that_the_result_was_cached(admin_client: Client) -> None:
    a_job(1, cache_hit=True, attempts=0, started_at=None, worker_id=None, result={"paid": 7})

    html = page(admin_client, f"{JOBS}{job_id(1)}/change/")

    assert re.search(r'field-cache_hit.*?alt="True"', html, re.DOTALL)
    assert "paid" in html
    assert "pay" in page(admin_client, f"{JOBS}{job_id(1)}/tree/")


def test_the_link_to_the_children_leads_to_them(admin_client: Client) -> None:
    a_job(1, created_at=timezone.now() - timedelta(days=30))
    a_job(2, parent_id=job_id(1), root_id=job_id(1), created_at=timezone.now() - timedelta(days=30))

    assert shown(page(admin_client, JOBS, parent_id=job_id(1))) == [2]


def test_a_job_page_costs_the_same_with_many_attempts_and_lines(admin_client: Client) -> None:
    job = a_job(1)
    url = f"{JOBS}{job.pk}/change/"
    page(admin_client, url)
    for_none = queries(admin_client, url)
    for number in range(1, 51):
        an_attempt(job, number)
        a_log_line(job, number, "line")
        a_job(number + 1, parent_id=job.pk, root_id=job.pk)

    assert len(queries(admin_client, url)) == len(for_none)


def test_the_tree_links_every_job_and_costs_the_same(admin_client: Client) -> None:
    a_job(1)
    url = f"{JOBS}{job_id(1)}/tree/"
    page(admin_client, url)
    for_one = queries(admin_client, url)
    for number in range(2, 51):
        a_job(number, parent_id=job_id(number // 2), root_id=job_id(1))

    html = page(admin_client, f"{JOBS}{job_id(9)}/tree/")

    assert sorted(shown(html.partition("upnext-tree")[2])) == list(range(1, 51))
    assert len(queries(admin_client, url)) == len(for_one)
    assert f'{job_id(9)}/change/" aria-current="true"' in html


def test_nobody_can_add_change_or_delete_history(admin_client: Client) -> None:
    job = a_job(1)

    assert admin_client.get(f"{JOBS}add/").status_code == 403
    assert admin_client.get(f"{JOBS}{job.pk}/delete/").status_code == 403
    assert admin_client.post(f"{JOBS}{job.pk}/change/", {"status": "queued"}).status_code == 403
    assert (
        admin_client.post(JOBS, {"action": "delete_selected", "_selected_action": job.pk, "post": "yes"})
    ).status_code < 500
    assert JobRecord.objects.get().status == "complete"


@pytest.mark.parametrize("path", ["", f"{job_id(1)}/change/", f"{job_id(1)}/tree/"])
def test_staff_without_the_permission_see_no_job(path: str) -> None:
    a_job(1)

    assert staff("view_workerrecord").get(f"{JOBS}{path}").status_code == 403


@pytest.mark.parametrize("path", ["", f"{job_id(1)}/change/", f"{job_id(1)}/tree/"])
def test_staff_with_the_permission_see_jobs(path: str) -> None:
    a_job(1)

    assert staff("view_jobrecord").get(f"{JOBS}{path}").status_code == 200


def test_an_anonymous_visitor_is_sent_to_the_login(client: Client) -> None:
    a_job(1)

    response = client.get(f"{JOBS}{job_id(1)}/tree/")

    assert response.status_code == 302
    assert "/login/" in response["Location"]


def test_a_tree_of_an_unknown_job_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(f"{JOBS}{job_id(1)}/tree/").status_code == 404


@pytest.mark.usefixtures("letters")
def test_a_dead_letter_leads_to_its_job(admin_client: Client) -> None:
    html = page(admin_client, f"/admin/upnext/deadletterrecord/{job_id(1)}/change/")

    assert f"{JOBS}{job_id(1)}/change/" in html
    assert "ValueError: no" in page(
        admin_client, "/admin/upnext/deadletterrecord/", function="shop.tasks.pay"
    )


def test_a_worker_and_a_function_have_pages(admin_client: Client) -> None:
    a_function("shop.tasks.pay", definition={"retries": 3})
    WorkerRecord.objects.create(id="web1-1", host="web1", queues=["shop"], concurrency=4, running=2)

    assert "&quot;retries&quot;: 3" in page(
        admin_client, reverse("admin:upnext_functionrecord_change", args=["shop.tasks.pay"])
    )
    assert "2/4" in page(admin_client, "/admin/upnext/workerrecord/")
    assert "web1" in page(admin_client, "/admin/upnext/workerrecord/web1-1/change/")


@pytest.mark.parametrize("path", ["", f"{job_id(1)}/change/", f"{job_id(1)}/tree/"])
def test_no_page_of_ours_has_inline_style_or_script(admin_client: Client, path: str) -> None:
    an_attempt(a_job(1, progress=50.0), 1)

    html = page(admin_client, f"{JOBS}{path}")

    assert not re.search(r"<style\b|\sstyle=|\son\w+=\"|javascript:", html)
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script\b[^>]*>", html))
