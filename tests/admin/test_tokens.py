"""API tokens in the admin: shown once, revoked for good."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from upnext_django.models import ApiToken

pytestmark = pytest.mark.django_db

LIST = "/admin/upnext/apitoken/"


def staff(codenames: Iterable[str] = (), name: str = "ann") -> Client:
    user = User.objects.create(username=name, is_staff=True)
    found = Permission.objects.filter(content_type__app_label="upnext", codename__in=codenames)
    user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


def made(client: Client, **fields: object) -> str:
    given = {"name": "reports", "scopes": ["read"], "days": "30", **fields}
    page = client.post(f"{LIST}add/", given).content.decode()
    found = re.search(r"upn_[a-z0-9]{12}_[\w-]{43}", page)
    assert found is not None, page
    return found[0]


def test_a_token_is_shown_once_and_works_for_its_owner():
    client = staff(["view_apitoken", "add_apitoken", "view_jobrecord"])

    token = made(client)

    row = ApiToken.objects.get()
    opened = Client().get("/api/v1/jobs", headers={"authorization": f"Bearer {token}"})
    secret = token.split("_", 2)[2]
    assert (row.owner_name, row.scopes, row.created_by) == ("ann", ["read"], "ann")
    assert opened.status_code == 200
    for path in (LIST, f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/history/", f"{LIST}add/"):
        assert secret not in client.get(path).content.decode()
    assert LogEntry.objects.get().change_message == "Created."


def test_the_page_with_a_token_is_kept_by_no_cache():
    client = staff(["view_apitoken", "add_apitoken"])

    answer = client.post(f"{LIST}add/", {"name": "reports", "scopes": ["read"]})

    assert "no-store" in answer["Cache-Control"]
    assert "upn_" not in answer.cookies.output()


@pytest.mark.parametrize("fields", [{"name": ""}, {"scopes": []}, {"scopes": ["root"]}, {"days": "0"}])
def test_a_token_that_makes_no_sense_is_refused(fields: dict[str, object]):
    client = staff(["view_apitoken", "add_apitoken"])

    answer = client.post(f"{LIST}add/", {"name": "reports", "scopes": ["read"], "days": "", **fields})

    assert "errorlist" in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_making_one_needs_its_permission():
    client = staff(["view_apitoken", "revoke_apitoken"])

    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}add/", {"name": "reports", "scopes": ["read"]}).status_code == 403


def test_a_revoked_token_opens_nothing():
    client = staff(["view_apitoken", "add_apitoken", "revoke_apitoken", "view_jobrecord"])
    one, other = made(client), made(client, days="")
    rows = {token.prefix: token.pk for token in ApiToken.objects.all()}

    client.post(f"{LIST}{rows[one.split('_')[1]]}/revoke/")
    action = {"action": "revoke_selected", "_selected_action": list(rows.values())}
    asked = client.post(LIST, action).content.decode()
    still = Client().get("/api/v1/jobs", headers={"authorization": f"Bearer {other}"}).status_code
    client.post(LIST, {**action, "confirmed": "yes"})

    assert "Revoke them?" in asked
    assert still == 200
    for token in (one, other):
        opened = Client().get("/api/v1/jobs", headers={"authorization": f"Bearer {token}"})
        assert opened.status_code == 401


def test_revoking_needs_its_permission():
    client = staff(["view_apitoken", "add_apitoken"])
    made(client)
    row = ApiToken.objects.get()

    answer = client.post(f"{LIST}{row.pk}/revoke/")

    row.refresh_from_db()
    assert (answer.status_code, row.revoked_at) == (403, None)
