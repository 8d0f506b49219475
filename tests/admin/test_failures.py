"""Failures by what they have in common: the list, one group, retry and discard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.admin.rows import a_job, an_attempt, job_id
from upnext_django.models import DeadLetterRecord
from upnext_django.operations import failures

pytestmark = pytest.mark.django_db

PRINT = "0123456789abcdef"


def a_letter(number: int, **columns: Any) -> DeadLetterRecord:
    defaults: dict[str, Any] = {
        "function": "shop.tasks.pay",
        "function_name": "pay",
        "queue": "shop",
        "failed_at": timezone.now() - timedelta(minutes=number),
        "attempts": 1,
        "crashes": 0,
        "error_type": "ValueError",
        "error": f"ValueError: card {number}",
        "fingerprint": PRINT,
        "message": "card <number>",
        "frame": "tasks.py in pay",
    }
    return DeadLetterRecord.objects.create(job_id=job_id(number), **{**defaults, **columns})


def url(page: str, *args: str) -> str:
    return reverse(f"admin:upnext_failure_{page}", args=args)


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_failure"))
    client.force_login(user)
    return client


def test_letters_of_one_kind_are_one_group() -> None:
    for number in range(1, 4):
        a_letter(number, function_name="pay" if number < 3 else "refund")
    a_letter(9, fingerprint="f" * 16, error_type="KeyError", message="<text>")
    a_letter(10, discarded_at=timezone.now())

    first, second = failures.groups()

    assert (first.fingerprint, first.count, first.functions) == (PRINT, 3, ("pay", "refund"))
    assert (first.first, first.last) == (
        DeadLetterRecord.objects.get(pk=job_id(3)).failed_at,
        DeadLetterRecord.objects.get(pk=job_id(1)).failed_at,
    )
    assert sum(first.by_hour) == 3
    assert (second.error_type, second.count) == ("KeyError", 1)


def test_a_window_leaves_out_what_failed_before() -> None:
    a_letter(1)
    a_letter(60 * 30)

    assert [group.count for group in failures.groups(timedelta(days=1))] == [1]


def test_the_list_takes_the_same_queries_for_any_number(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    a_letter(1)
    admin_client.get(url("changelist"))
    with django_assert_num_queries(6):
        admin_client.get(url("changelist"))
    for number in range(2, 60):
        a_letter(number, fingerprint=f"{number:016x}")

    with django_assert_num_queries(6):
        page = admin_client.get(url("changelist")).content.decode()

    assert page.count("card &lt;number&gt;") == 50


def test_a_group_shows_its_newest_traceback_and_jobs(admin_client: Client) -> None:
    an_attempt(a_job(1, status="failed"), 1, outcome="failed", traceback="Traceback: <b>here</b>")
    a_letter(1)

    page = admin_client.get(url("detail", PRINT)).content.decode()

    assert "Traceback: &lt;b&gt;here&lt;/b&gt;" in page
    assert reverse("admin:upnext_jobrecord_change", args=[job_id(1)]) in page
    assert "Retry the group" in page


def test_who_may_only_look_is_offered_nothing_and_refused(viewer: Client) -> None:
    a_letter(1)

    page = viewer.get(url("detail", PRINT)).content.decode()

    assert "Retry the group" not in page
    for action in ("retry", "discard"):
        assert viewer.get(url(action, PRINT)).status_code == 403
        assert viewer.post(url(action, PRINT), {"confirmed": "yes"}).status_code == 403


def test_an_action_asks_first_and_says_how_many(admin_client: Client) -> None:
    a_letter(1)
    a_letter(2)

    page = admin_client.get(url("discard", PRINT)).content.decode()

    assert "stay failed, and can never be replayed. It is about 2 jobs." in page


def test_letters_without_a_fingerprint_are_a_group_too(admin_client: Client) -> None:
    a_letter(1, fingerprint="")

    assert admin_client.get(url("detail", "none")).status_code == 200


def test_a_group_of_which_nothing_is_left_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(url("detail", PRINT)).status_code == 404
