"""Finding jobs by the value of an argument."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.admin.rows import a_job, job_id
from upnext_django.admin import search
from upnext_django.admin.search import argument_of
from upnext_django.models import WorkerRecord

pytestmark = pytest.mark.django_db


def listed(client: Client, term: str) -> set[int]:
    """Return the numbers of the jobs that a search lists."""
    page = client.get(reverse("admin:upnext_jobrecord_changelist"), {"q": term}).content.decode()
    return {number for number in range(1, 10) if job_id(number) in page}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("kwargs.order_id:7", ("kwargs.order_id", 7)),
        ('kwargs.name:"ann"', ("kwargs.name", "ann")),
        ("kwargs.name:ann lee", ("kwargs.name", "ann lee")),
        ("args.0:true", ("args.0", True)),
        ("kwargs.a.b.0:null", ("kwargs.a.b.0", None)),
        ("order_id:7", None),
        ("kwargs:7", None),
        ("kwargs.order_id", None),
    ],
)
def test_what_a_search_asks_for(term: str, expected: tuple[str, Any] | None) -> None:
    assert argument_of(term) == expected


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("kwargs.order_id:7", {1}),
        ("kwargs.order_id:9", set()),
        ("args.0:x", {2}),
        ("kwargs.customer.name:ann", {3}),
        ("kwargs.nothing.like.it:1", set()),
    ],
)
def test_jobs_are_found_by_an_argument(admin_client: Client, term: str, found: set[int]) -> None:
    a_job(1, arguments={"args": [], "kwargs": {"order_id": 7}})
    a_job(2, arguments={"args": ["x"], "kwargs": {}})
    a_job(3, arguments={"args": [], "kwargs": {"customer": {"name": "ann"}}})
    a_job(4, arguments=None)

    assert listed(admin_client, term) == found


def test_only_the_newest_are_looked_through(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NEWEST", 2)
    for number in range(1, 4):
        a_job(number, arguments={"args": [], "kwargs": {"order_id": 7}})

    assert listed(admin_client, "kwargs.order_id:7") == {2, 3}


def test_who_may_not_see_arguments_finds_nothing_by_them(client: Client) -> None:
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_jobrecord"))
    client.force_login(user)
    a_job(1, arguments={"args": [], "kwargs": {"order_id": 7}})

    assert listed(client, "kwargs.order_id:7") == set()
    assert listed(client, "pay") == set(), "no function of that name is registered"


def test_the_list_can_be_narrowed_to_a_worker_and_to_tops(admin_client: Client) -> None:
    WorkerRecord.objects.create(id="web2-2")
    a_job(1, worker_id="web1-1")
    a_job(2, worker_id="web2-2", parent_id=job_id(1), root_id=job_id(1))
    url = reverse("admin:upnext_jobrecord_changelist")

    tops = admin_client.get(url, {"level": "top"}).content.decode()
    of_worker = admin_client.get(url, {"worker_id": "web2-2"}).content.decode()

    assert (job_id(1) in tops, job_id(2) in tops) == (True, False)
    assert (job_id(1) in of_worker, job_id(2) in of_worker) == (False, True)
