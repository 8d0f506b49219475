"""The tree of a workflow: read from the rows, put in order, shown as a page and as data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.admin.rows import a_job, an_attempt, job_id
from upnext_django.operations.tree import jobs as reading
from upnext_django.operations.tree.order import branches, walk

pytestmark = pytest.mark.django_db


def outline(root: int, limit: int = 1_000) -> list[tuple[int, int]]:
    """Return (depth, number) of each job of a tree."""
    tree = reading.read(job_id(root), limit=limit)
    return [(depth, int(branch.job.id[-12:], 16)) for depth, branch in walk(branches(tree))]


def child(number: int, parent: int, **columns: Any) -> None:
    a_job(number, parent_id=job_id(parent), root_id=job_id(1), **columns)


def url(page: str, number: int = 1) -> str:
    return reverse(f"admin:upnext_jobrecord_{page}", args=[job_id(number)])


def test_a_tree_lists_each_job_after_its_parent() -> None:
    a_job(1)
    child(2, 1)
    child(3, 1)
    child(4, 2)
    child(5, 4)

    assert outline(1) == [(0, 1), (1, 2), (2, 4), (3, 5), (1, 3)]


def test_siblings_are_in_the_order_in_which_they_could_start() -> None:
    """The ids of the children of one attempt differ by a hash, and say nothing of their order."""
    a_job(1)
    now = timezone.now()
    child(2, 1, created_at=now)
    child(3, 1, created_at=now - timedelta(seconds=2))
    child(4, 1, created_at=now - timedelta(seconds=3), run_at=now - timedelta(seconds=1))

    assert outline(1) == [(0, 1), (1, 3), (1, 4), (1, 2)]


def test_a_tree_says_that_it_was_cut() -> None:
    a_job(1)
    for number in range(2, 6):
        child(number, 1)

    assert reading.read(job_id(1), limit=5).truncated is False
    assert reading.read(job_id(1), limit=3).truncated is True
    assert len(outline(1, limit=3)) == 3


def test_a_child_whose_parent_is_missing_stands_below_the_root() -> None:
    a_job(1)
    child(5, 4)
    child(6, 5)

    tops = branches(reading.read(job_id(1)))

    assert outline(1) == [(0, 1), (1, 5), (2, 6)]
    assert [branch.orphan for _, branch in walk(tops)] == [False, True, False]


def test_a_tree_without_its_root_is_shown() -> None:
    child(2, 1)
    child(3, 2)

    assert outline(1) == [(0, 2), (1, 3)]


def test_a_circle_is_shown_once() -> None:
    a_job(1)
    child(2, 3)
    child(3, 2)

    assert sorted(number for _, number in outline(1)) == [1, 2, 3]


def test_each_claim_of_a_retried_job_is_a_segment() -> None:
    job = a_job(1, attempts=2)
    an_attempt(job, 1, outcome="failed", ended_at=job.started_at)
    an_attempt(job, 2, ended_at=job.completed_at)

    segments = reading.read(job.pk).jobs[job.pk].segments

    assert [segment.outcome for segment in segments] == ["failed", "complete"]


def test_the_moments_of_a_tree_are_those_of_its_rows() -> None:
    """The database makes numbers of them: to the millisecond, which is what Redis stamps them with."""
    created, waited = datetime(2026, 2, 28, 23, 59, 59, 987_000, UTC), timedelta(milliseconds=1_234)
    job = a_job(
        1,
        created_at=created,
        run_at=created + waited,
        started_at=created + 2 * waited,
        completed_at=created + 3 * waited,
    )
    retried = a_job(2, root_id=job.pk, parent_id=job.pk, attempts=2, started_at=None, completed_at=None)
    an_attempt(retried, 1, started_at=created + 4 * waited, ended_at=None)

    found = reading.read(job.pk).jobs

    one = found[job.pk]
    moments = [(created + times * waited).timestamp() for times in (1, 2, 3)]
    assert [one.ready, one.started, one.completed] == pytest.approx(moments, abs=0.0001)
    segment = found[retried.pk].segments[0]
    assert segment.started == pytest.approx((created + 4 * waited).timestamp(), abs=0.0001)
    assert (segment.ended, found[retried.pk].completed) == (None, None)


def test_what_a_job_says_of_itself_is_text(admin_client: Client) -> None:
    name = "<script>alert('x')</script>\u202e"
    a_job(1, function_name=name)
    for number in range(2, 9):
        child(number, 1, function_name=f'"{name}', status="failed" if number == 3 else "complete")
    odd = a_job(9, parent_id=job_id(1), root_id=job_id(1), attempts=2)
    an_attempt(odd, 1, outcome='"><i>')

    page = admin_client.get(url("tree")).content.decode()

    assert "<script>alert" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;[U+202E]" in page
    assert 'class="upnext-bar-&quot;&gt;&lt;i&gt;"' in page


def test_a_line_says_what_is_special_about_its_job(admin_client: Client) -> None:
    a_job(1)
    after_the_top = timezone.now()
    child(2, 1, attempts=3, cache_hit=True, completed_at=after_the_top)
    child(3, 7, completed_at=after_the_top)

    page = admin_client.get(url("tree", 2)).content.decode()

    for said in ("attempt 3", "from the cache", "its parent is not in the history", 'aria-current="true"'):
        assert page.count(said) == 1, said
    assert page.count('class="upnext-tag"') == 1, "the others ended after the top"
    assert page.count('aria-level="2"') == 2


def test_siblings_of_a_name_are_folded_and_those_that_failed_are_not(admin_client: Client) -> None:
    a_job(1)
    for number in range(2, 12):
        child(number, 1, function_name="step", status="failed" if number == 7 else "complete")

    page = admin_client.get(url("tree")).content.decode()

    assert "step \N{MULTIPLICATION SIGN} 10" in page
    assert page.count(">step</a>") == 2, "the one that failed, and the one that took the longest"
    assert url("change", 7) in page


def test_a_folded_group_opens_by_its_link(admin_client: Client) -> None:
    a_job(1)
    for number in range(2, 62):
        child(number, 1, function_name="step")

    page = admin_client.get(url("tree"), {"open": f"{job_id(1)}:step"}).content.decode()
    more = admin_client.get(url("tree"), {"open": f"{job_id(1)}:step", "size": "250"}).content.decode()
    every = admin_client.get(url("tree"), {"all": "1"}).content.decode()

    assert page.count(">step</a>") == 50
    assert "show more" in page
    assert more.count(">step</a>") == 60
    assert every.count(">step</a>") == 60


def test_the_page_takes_the_same_queries_for_a_tree_of_any_size(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    job = a_job(1, attempts=2)
    an_attempt(job, 1)
    admin_client.get(url("tree"))
    with django_assert_num_queries(5):
        admin_client.get(url("tree"))
    for number in range(2, 52):
        child(number, 1, attempts=2)

    with django_assert_num_queries(5):
        admin_client.get(url("tree"))


def test_a_long_tree_comes_a_page_at_a_time(admin_client: Client) -> None:
    a_job(1)
    for number in range(2, 1_102):
        child(number, 1, function_name=f"step {number}")

    first = admin_client.get(url("tree")).content.decode()
    second = admin_client.get(url("tree"), {"page": "2"}).content.decode()

    assert "Further lines" in first
    assert "Earlier lines" not in first
    assert url("change", 1_101) in second
    assert "Earlier lines" in second
    assert 'id="upnext-tree-list"' in first


def test_the_data_has_every_job_as_columns(admin_client: Client) -> None:
    a_job(1)
    child(2, 1, function_name="step", status="failed")

    data = admin_client.get(url("tree_data")).json()

    rows = [(row[0], data["names"][row[1]], data["kinds"][row[2]], row[3]) for row in data["rows"]]
    assert rows == [(0, "pay", "complete", job_id(1)), (1, "step", "failed", job_id(2))]
    assert all(0 <= bar[1] <= bar[1] + bar[2] <= 1000 for row in data["rows"] for bar in row[6])


def test_a_running_job_reaches_to_now(admin_client: Client) -> None:
    begin = timezone.now() - timedelta(hours=1)
    a_job(1, status="active", created_at=begin, started_at=begin, completed_at=None)

    page = admin_client.get(url("tree")).content.decode()

    assert "upnext-bar-active" in page
    assert "Cancel the tree" in page


@pytest.mark.parametrize(
    "parameters", [{"size": "-1"}, {"size": "x"}, {"page": "0"}, {"page": "9" * 30}, {"open": ""}]
)
def test_nonsense_in_the_address_is_passed_over(admin_client: Client, parameters: dict[str, str]) -> None:
    a_job(1)

    assert admin_client.get(url("tree"), parameters).status_code == 200


def test_a_job_without_a_row_has_no_tree(admin_client: Client) -> None:
    assert admin_client.get(url("tree", 9)).status_code == 404
