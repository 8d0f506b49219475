"""Who is let in: tokens before sessions, nobody else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import timezone

from tests.admin.rows import a_job
from upnext_django.models import ApiToken
from upnext_django.operations import tokens

pytestmark = pytest.mark.django_db

JOBS = "/api/v1/jobs"
TokenOf = Callable[..., str]
Person = Callable[..., User]
Browser = Callable[..., Client]


def test_nobody_is_let_in_without_a_token_or_a_session(client: Client):
    answer = client.get(JOBS)

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:upnext:problem:unauthorized"


def test_a_token_acts_for_its_owner(client: Client, person: Person, token_of: TokenOf):
    a_job(1)
    token = token_of(person("view_jobrecord"), "read")

    answer = client.get(JOBS, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert [job["function"] for job in answer.json()["items"]] == ["shop.tasks.pay"]


def test_a_token_may_no_more_than_its_owner(client: Client, person: Person, token_of: TokenOf):
    token = token_of(person(), "read", "operate", "payload", "admin")

    answer = client.get(JOBS, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    assert "upnext.view_jobrecord" in answer.json()["detail"]


def test_a_token_may_no_more_than_its_scopes(client: Client, person: Person, token_of: TokenOf):
    token = token_of(person("*"), "operate")

    answer = client.get(JOBS, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    assert "'read'" in answer.json()["detail"]


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer ",
        "Bearer upn_aaaaaaaaaaaa_" + "x" * 43,
        "Bearer \u00fcmlaut",
        "Basic YW5uOnNlY3JldA==",
        "upn_aaaaaaaaaaaa_" + "x" * 43,
    ],
)
def test_garbage_opens_nothing_not_even_with_a_session(browser: Browser, given: str):
    client = browser("view_jobrecord")

    answer = client.get(JOBS, headers={"authorization": given})

    assert answer.status_code == 401


def test_a_token_that_is_over_revoked_or_of_nobody_opens_nothing(
    client: Client, person: Person, token_of: TokenOf
):
    owner = person("view_jobrecord")
    gone = person("view_jobrecord", name="gone")
    texts = [token_of(owner, "read"), token_of(owner, "read"), token_of(gone, "read")]
    ApiToken.objects.filter(prefix=texts[0].split("_")[1]).update(expires_at=timezone.now())
    tokens.revoke(texts[1].split("_")[1])
    gone.delete()

    found = [client.get(JOBS, headers={"authorization": f"Bearer {text}"}).status_code for text in texts]

    assert found == [401, 401, 401]


def test_a_token_of_an_inactive_user_opens_nothing(client: Client, person: Person, token_of: TokenOf):
    token = token_of(person("*", is_active=False), "read")

    assert client.get(JOBS, headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_a_wrong_secret_opens_nothing(client: Client, person: Person, token_of: TokenOf):
    token = token_of(person("*"), "read")
    other = token[:-1] + ("A" if token[-1] != "A" else "B")

    assert client.get(JOBS, headers={"authorization": f"Bearer {other}"}).status_code == 401


def test_a_key_can_be_changed_while_tokens_are_in_use(client: Client, person: Person, token_of: TokenOf):
    def status() -> int:
        return client.get(JOBS, headers={"authorization": f"Bearer {token}"}).status_code

    with override_settings(UPNEXT={"SIGNING_KEYS": ["old"]}):
        token = token_of(person("view_jobrecord"), "read")
    with override_settings(UPNEXT={"SIGNING_KEYS": ["new", "old"]}):
        assert status() == 200
    with override_settings(UPNEXT={"SIGNING_KEYS": ["new"]}):
        assert status() == 200
    with override_settings(UPNEXT={"SIGNING_KEYS": ["another"]}):
        assert status() == 401


def test_the_use_of_a_token_is_noted_once_a_minute(client: Client, person: Person, token_of: TokenOf):
    token = token_of(person("view_jobrecord", is_superuser=True), "read")
    headers = {"authorization": f"Bearer {token}"}

    client.get(JOBS, headers=headers)
    first = ApiToken.objects.get().last_used_at
    client.get(JOBS, headers=headers)
    second = ApiToken.objects.get().last_used_at
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    client.get(JOBS, headers=headers)

    assert first is not None
    assert second == first
    third = ApiToken.objects.get().last_used_at
    assert third is not None
    assert third > first


def test_a_token_is_stored_nowhere_and_logged_nowhere(
    client: Client, person: Person, token_of: TokenOf, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    token = token_of(person("view_jobrecord"), "read")
    secret = token.split("_", 2)[2]

    with override_settings(DEBUG=True):
        for scheme in ("Bearer", "Token", "Basic"):
            client.get(JOBS, headers={"authorization": f"{scheme} {token}"})

    assert secret not in caplog.text
    assert secret not in str(ApiToken.objects.values().get())


def test_a_token_in_the_address_opens_nothing(client: Client, person: Person, token_of: TokenOf):
    token = token_of(person("*"), "read")

    for name in ("token", "access_token", "key", "authorization"):
        assert client.get(JOBS, {name: token}).status_code == 401


def test_a_session_reads_without_a_csrf_token(browser: Browser):
    assert browser("view_jobrecord").get(JOBS).status_code == 200


def test_a_session_needs_the_permission(browser: Browser):
    answer = browser().get(JOBS)

    assert answer.status_code == 403
    assert "upnext.view_jobrecord" in answer.json()["detail"]


@override_settings(UPNEXT={"API_RATES": {"token": "3/1000d", "address": None}})
def test_a_token_may_call_only_so_often(client: Client, person: Person, token_of: TokenOf):
    owner = person("view_jobrecord")
    headers = {"authorization": f"Bearer {token_of(owner, 'read')}"}
    other = {"authorization": f"Bearer {token_of(owner, 'read')}"}

    found = [client.get(JOBS, headers=headers) for _ in range(4)]

    assert [one.status_code for one in found] == [200, 200, 200, 429]
    assert 1 <= int(found[-1]["Retry-After"]) <= 86_400_000
    assert client.get(JOBS, headers=other).status_code == 200


@override_settings(UPNEXT={"API_RATES": {"address": "3/1000d"}})
def test_an_address_may_guess_only_so_often(client: Client):
    address = "192.0.2.7"

    found = [
        client.get(JOBS, headers={"authorization": f"Bearer {n}"}, REMOTE_ADDR=address).status_code
        for n in range(4)
    ]
    forged = client.get(JOBS, headers={"x-forwarded-for": "192.0.2.8"}, REMOTE_ADDR=address).status_code

    assert found == [401, 401, 401, 429]
    assert forged == 429
