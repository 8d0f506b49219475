"""Every address of the admin, by each kind of user: who may what, and that looking changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.admin.addresses import addresses
from tests.admin.forms import harmful
from tests.admin.rows import all_rows
from tests.broker.lab import QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.models import DeadLetterRecord

#: What is done to one thing at once needs no page of its own.
POST_ONLY = {
    "upnext_bulkaction_go_on",
    "upnext_bulkaction_stop",
    "upnext_apitoken_revoke",
    "upnext_jobrecord_cancel",
    "upnext_jobrecord_retry",
    "upnext_queue_pause",
    "upnext_queue_resume",
}
#: What whoever may see a model gets to see of it.
TO_READ = ("_changelist", "_change", "_history", "_tree", "_detail", "_data")


def someone(name: str, codenames: Iterable[str] = (), **more: Any) -> Client:
    """Log in a user of the staff who has these permissions on our models."""
    user = User.objects.create_user(name, is_staff=True, **more)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="upnext", codename__in=codenames)
    )
    client = Client()
    client.force_login(user)
    return client


def codenames() -> set[str]:
    return set(Permission.objects.filter(content_type__app_label="upnext").values_list("codename", flat=True))


def viewer(**more: Any) -> Client:
    """Log in somebody who may see everything but payloads, and do nothing."""
    seeing = {name for name in codenames() if name.startswith("view_")} - {"view_payload"}
    return someone("viewer", seeing, **more)


def operator() -> Client:
    """Log in somebody who may do everything that is not Django's own adding, changing and deleting."""
    return someone("operator", {name for name in codenames() if not re.match("(add|change|delete)_", name)})


def superuser(**more: Any) -> Client:
    client = Client(**more)
    client.force_login(User.objects.create_superuser("superuser"))
    return client


def everything() -> dict[str, Any]:
    """Return all rows of our models, who may what, the audit trail, and all keys in Redis."""
    found = all_rows()
    broker = get_broker()
    with redis.Redis.from_url(broker.url) as server:
        for key in server.scan_iter(match=f"un:{{{broker.environment.namespace}*"):
            found[key.decode()] = server.dump(key)
    return found


def answers(client: Client, method: str = "get") -> dict[str, int]:
    """Return the status of each address by its name."""
    return {name: getattr(client, method)(path).status_code for name, path in addresses().items()}


def test_the_matrix_has_every_page(things: Lab) -> None:
    assert set(addresses()) >= POST_ONLY
    assert {"upnext_overview_changelist", "upnext_queue_detail", "upnext_secret_delete"} <= set(addresses())


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_visitor_is_asked_to_log_in(things: Lab, method: str) -> None:
    before = everything()

    for name, path in addresses().items():
        response = getattr(Client(), method)(path)
        assert response.status_code == 302, name
        assert response.headers["location"].startswith("/admin/login/"), name

    assert everything() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_rights_see_nothing(things: Lab, method: str) -> None:
    client = someone("nobody")
    before = everything()

    assert {name: code for name, code in answers(client, method).items() if code not in (403, 404)} == {}
    assert everything() == before


def test_a_viewer_sees_the_pages_and_is_refused_the_rest(things: Lab) -> None:
    client = viewer()
    before = everything()

    seen = answers(client)

    to_read = {name: code for name, code in seen.items() if name.endswith(TO_READ)}
    assert {name: code for name, code in to_read.items() if code != 200 and "failure" not in name} == {}
    assert {name: code for name, code in seen.items() if code not in (200, 403, 404, 405)} == {}
    assert {seen[name] for name in POST_ONLY} == {403}
    assert everything() == before


def test_a_viewer_is_shown_no_payload(things: Lab) -> None:
    url = reverse("admin:upnext_jobrecord_change", args=[DeadLetterRecord.objects.get().job_id])

    assert "for the reader" not in viewer().get(url).content.decode()
    assert "for the reader" in operator().get(url).content.decode()


def test_a_viewers_forms_do_nothing(things: Lab) -> None:
    client = viewer()
    posts = [(path, data) for path in addresses().values() for data in harmful(path)]
    before = everything()

    for path, data in posts:
        assert client.post(path, data).status_code < 500, path

    assert everything() == before


@pytest.mark.parametrize("who", [operator, superuser])
def test_looking_at_everything_changes_nothing(things: Lab, who: Any) -> None:
    client = who()
    before = everything()

    seen = answers(client)

    assert {name: code for name, code in seen.items() if code not in (200, 302, 403, 404, 405)} == {}
    assert everything() == before


def test_a_superuser_is_refused_only_what_nobody_may(things: Lab) -> None:
    refused = {name for name, code in answers(superuser()).items() if code == 403}

    assert {name for name in refused if not name.endswith(("_add", "_delete"))} == set()


@pytest.mark.parametrize("name", sorted(POST_ONLY))
def test_what_changes_something_at_once_takes_posts_only(things: Lab, name: str) -> None:
    assert superuser().get(addresses()[name]).status_code == 405


def test_a_form_from_another_site_does_nothing(things: Lab) -> None:
    client = superuser(enforce_csrf_checks=True)
    posts = [(path, data) for path in addresses().values() for data in harmful(path)]
    before = everything()

    assert {path: code for path, data in posts if (code := client.post(path, data).status_code) != 403} == {}
    assert everything() == before


def test_the_comparison_sees_what_an_operator_does(things: Lab) -> None:
    client = operator()
    before = everything()

    client.post(reverse("admin:upnext_queue_pause", args=[QUEUE]))
    paused = everything()
    client.post(reverse("admin:upnext_jobrecord_retry", args=[DeadLetterRecord.objects.get().job_id]))

    assert paused != before
    assert everything() != paused
