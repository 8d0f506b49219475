"""Lists that are too long to count: paged by key, at a cost that stays the same wherever one is."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.admin.rows import a_job, job_id
from upnext_django.admin import listing, paging
from upnext_django.models import JobRecord

pytestmark = pytest.mark.django_db

JOBS = "/admin/upnext/jobrecord/"
COUNTED = 120
EVERYTHING = {"when": "all"}


@pytest.fixture
def few_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (paging, listing):
        monkeypatch.setattr(module, "COUNTED", COUNTED)


def page(client: Client, query: dict[str, Any] | str = EVERYTHING) -> str:
    """Return a page of the list; ``query`` is one, or a link of another page."""
    address, data = (f"{JOBS}{query}", None) if isinstance(query, str) else (JOBS, query)
    response = client.get(address, data)
    assert response.status_code == 200, response
    return response.content.decode()


def shown(html: str) -> list[int]:
    """Return the numbers of the jobs in a list, in its order."""
    return [int(one, 16) for one in re.findall(r"/jobrecord/019a0000-0000-7000-8000-(\w+)/change/", html)]


def link(html: str, text: str) -> str | None:
    found = re.search(rf'<a (?:rel="\w+" )?href="([^"]*)">[^<]*{text}[^<]*</a>', html)
    return unescape(found[1]) if found else None


def follow(client: Client, html: str, text: str) -> str:
    address = link(html, text)
    assert address, f"there is no link {text!r}"
    return page(client, address)


def jobs(first: int, last: int, **columns: Any) -> None:
    one = a_job(first, **columns)
    rows = []
    for number in range(first + 1, last + 1):
        row = JobRecord.objects.get(pk=one.pk)
        row.pk = row.root_id = job_id(number)
        rows.append(row)
    JobRecord.objects.bulk_create(rows)


def test_a_list_that_can_be_counted_has_numbered_pages(admin_client: Client) -> None:
    jobs(1, 60)

    html = page(admin_client)

    assert "60 jobs" in html
    assert shown(page(admin_client, {"p": "2", **EVERYTHING})) == list(range(10, 0, -1))
    assert link(html, "Older") is None


@pytest.mark.usefixtures("few_are_counted")
def test_a_list_that_cannot_be_counted_says_so_and_leads_to_older_jobs(admin_client: Client) -> None:
    jobs(1, 170)

    first = page(admin_client)
    second = follow(admin_client, first, "Older")
    third = follow(admin_client, second, "Older")
    last = follow(admin_client, third, "Older")

    assert f"{COUNTED}+ jobs" in first
    seen = [shown(html) for html in (first, second, third, last)]
    assert [number for one in seen for number in one] == list(range(170, 0, -1))
    assert [len(one) for one in seen] == [50, 50, 50, 20]
    assert (link(first, "Newer"), link(last, "Older")) == (None, None)


@pytest.mark.usefixtures("few_are_counted")
def test_the_way_back_is_by_the_same_pages(admin_client: Client) -> None:
    jobs(1, 170)
    first = page(admin_client)
    second = follow(admin_client, first, "Older")
    third = follow(admin_client, second, "Older")

    back = follow(admin_client, third, "Newer")
    top = follow(admin_client, back, "Newer")

    assert shown(back) == shown(second)
    assert shown(top) == shown(first) == shown(follow(admin_client, third, "Newest"))


@pytest.mark.usefixtures("few_are_counted")
def test_who_goes_up_arrives_at_a_whole_page(admin_client: Client) -> None:
    jobs(1, 130)

    html = page(admin_client, {"after": job_id(100), **EVERYTHING})

    assert shown(html) == list(range(130, 80, -1))
    assert link(html, "Newer") is None


@pytest.mark.usefixtures("few_are_counted")
def test_jobs_that_come_meanwhile_move_no_older_page(admin_client: Client) -> None:
    jobs(1, 130)
    older = link(page(admin_client), "Older")
    assert older
    before = shown(page(admin_client, older))

    jobs(131, 160)

    assert shown(page(admin_client, older)) == before


@pytest.mark.usefixtures("few_are_counted")
def test_the_pages_keep_the_filters_and_a_filter_leaves_the_page(admin_client: Client) -> None:
    jobs(1, 130, queue="shop")
    jobs(131, 300, queue="mail", status="failed")

    second = follow(admin_client, page(admin_client, {"status__exact": "failed"}), "Older")

    assert shown(second) == list(range(250, 200, -1))
    hidden = re.findall(r'<input type="hidden" name="(\w+)"', second)
    assert not {"before", "after"} & set(hidden)
    # Django 6.1 has the filters above the pages, and 5.2 below.
    rest = re.sub(r'<nav class="paginator".*?</nav>', "", second, flags=re.DOTALL)
    filters = rest.partition('id="changelist-filter"')[2]
    assert "status__exact=" in filters
    assert "before=" not in filters


@pytest.mark.usefixtures("few_are_counted")
@pytest.mark.parametrize("key", ["nonsense", "\u2603", "'; --"])
@pytest.mark.parametrize("way", ["before", "after"])
def test_a_key_that_is_none_is_no_error(admin_client: Client, way: str, key: str) -> None:
    jobs(1, 130)

    assert "jobs" in page(admin_client, {way: key, **EVERYTHING})


@pytest.mark.usefixtures("few_are_counted")
@pytest.mark.parametrize("way", ["before", "after"])
def test_a_page_by_key_skips_no_rows(admin_client: Client, way: str) -> None:
    jobs(1, 200)
    with CaptureQueriesContext(connection) as captured:
        page(admin_client, {way: job_id(100), **EVERYTHING})

    sqls = [one["sql"] for one in captured.captured_queries if '"upnext_jobrecord"' in one["sql"]]
    assert len(sqls) == 2
    assert not any("OFFSET" in sql for sql in sqls)


def test_filters_that_leave_nothing_say_of_how_many_and_lead_back(admin_client: Client) -> None:
    jobs(1, 3, created_at=timezone.now() - timedelta(days=3))

    html = page(admin_client, {"status__exact": "failed"})

    assert "0 of 3 jobs." in html
    assert shown(follow(admin_client, html, "Clear the filters")) == [3, 2, 1]


def test_an_empty_history_offers_no_filters_to_clear(admin_client: Client) -> None:
    assert link(page(admin_client), "Clear the filters") is None


@pytest.mark.parametrize("name", ["workerrecord", "functionrecord", "deadletterrecord"])
def test_other_lists_have_a_foot_too(admin_client: Client, name: str) -> None:
    html = admin_client.get(reverse(f"admin:upnext_{name}_changelist")).content.decode()

    assert re.search(r"<nav class=\"paginator\".*?>\s*0 \w+", html, re.DOTALL)
