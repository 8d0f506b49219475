"""Secrets in the admin: a value goes in and never comes out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings

from tests.keys import KEY
from upnext_django.models import Secret
from upnext_django.operations import secrets

LIST = "/admin/upnext/secret/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    with override_settings(UPNEXT={"SECRETS_KEYS": [KEY]}):
        yield


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def test_a_secret_is_added_and_shown_without_its_value(admin_client: Client):
    added = admin_client.post(f"{LIST}add/", {"name": "Stripe_Key", "value": " tulip "}, follow=True)

    assert secrets.values(["stripe_key"]) == {"stripe_key": " tulip "}
    pages = [added, admin_client.get(LIST), admin_client.get(f"{LIST}stripe_key/change/")]
    for page in pages:
        html = page.content.decode()
        assert page.status_code == 200
        assert "STRIPE_KEY" in html
        assert "tulip" not in html
        assert Secret.objects.get().ciphertext not in html
    assert "tulip" not in repr(LogEntry.objects.values_list())


def test_a_change_sets_another_value_and_says_by_whom(admin_client: Client):
    secrets.put("stripe_key", "tulip", by="bob")

    admin_client.post(f"{LIST}stripe_key/change/", {"name": "other", "value": "rose"})

    assert secrets.values(["stripe_key", "other"]) == {"stripe_key": "rose"}
    assert Secret.objects.get().updated_by == "admin"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("stripe-key", "tulip", "cannot name a secret"),
        ("stripe_key", "", "required"),
        ("STRIPE_KEY2", "tulip", "already exists"),
        ("stripe_key", "tulip" * 20_000, "bytes"),
    ],
)
def test_what_cannot_be_one_is_refused_on_the_form(admin_client: Client, name: str, value: str, said: str):
    secrets.put("stripe_key2", "rose")

    page = admin_client.post(f"{LIST}add/", {"name": name, "value": value})

    html = page.content.decode()
    assert page.status_code == 200
    assert said in html
    assert "tulip" not in html
    assert Secret.objects.count() == 1


def test_without_a_key_the_form_says_so(admin_client: Client):
    with override_settings(UPNEXT={}):
        page = admin_client.post(f"{LIST}add/", {"name": "stripe_key", "value": "tulip"})

    assert "there is no key" in page.content.decode()
    assert not Secret.objects.exists()


def test_secrets_are_deleted_alone_and_together(admin_client: Client):
    for name in ("one", "two", "three"):
        secrets.put(name, "tulip")

    admin_client.post(f"{LIST}one/delete/", {"post": "yes"})
    admin_client.post(
        LIST, {"action": "delete_selected", "_selected_action": ["two", "three"], "post": "yes"}
    )

    assert not Secret.objects.exists()


def test_who_may_only_look_cannot_change():
    secrets.put("stripe_key", "tulip")
    client = staff("view_secret")

    page = client.get(f"{LIST}stripe_key/change/")

    assert page.status_code == 200
    assert 'name="value"' not in page.content.decode()
    assert client.post(f"{LIST}stripe_key/change/", {"value": "rose"}).status_code == 403
    assert client.post(f"{LIST}add/", {"name": "new", "value": "rose"}).status_code == 403
    assert secrets.values(["stripe_key", "new"]) == {"stripe_key": "tulip"}


def test_who_may_nothing_sees_nothing():
    assert staff().get(LIST).status_code == 403
