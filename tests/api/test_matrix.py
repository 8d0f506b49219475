"""Who may call what, made from the schema: nobody, each scope, each permission, with and without CSRF."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import URLResolver, get_resolver

from tests.api.reference import schema
from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.models import ApiToken, ArtifactRecord, BulkAction, DeadLetterRecord
from upnext_django.models.token import SCOPES

Person = Callable[..., User]
TokenOf = Callable[..., str]

_BODIES: dict[str, Any] = {
    "submit_job": {"args": []},
    "send_event": {"data": {}},
    "replay_dead_letters": {"queue": QUEUE},
    "discard_dead_letters": {"queue": QUEUE},
    "add_schedule": {"name": "new", "function": FUNCTION, "expression": "@daily"},
    "change_schedule": {"expression": "@daily"},
    "put_secret": {"value": "x"},
    "retry_jobs": {"queue": QUEUE},
    "cancel_jobs": {"queue": QUEUE},
    "delete_jobs": {"queue": QUEUE},
    "replay_all_dead_letters": {"queue": QUEUE},
    "discard_all_dead_letters": {"queue": QUEUE},
}
#: What an operation needs beside what the schema says: the permission for what the action in hand does.
_BESIDE = dict.fromkeys(("stop_bulk_action", "resume_bulk_action"), ("view_jobrecord", "cancel_job"))
#: Known by everybody, as probes have no token.
_PUBLIC = {"health"}
#: Refused by a rule of their own: no function here is declared with ``api=True``.
_CLOSED = {"submit_job", "send_event"}


class Call:
    """One operation of the schema, asked for what is there."""

    def __init__(self, method: str, path: str, operation: dict[str, Any]) -> None:
        self.name: str = operation["operationId"]
        self.method = method
        self.permissions: set[str] = set(operation.get("x-permissions", ()))
        self.scopes: set[str] = set(operation.get("x-scopes", ()))
        letter = DeadLetterRecord.objects.order_by("pk")[0].pk
        self.path = path
        for name, value in {
            "{job_id}": letter,
            "{worker_id}": "w1",
            "{action_id}": BulkAction.objects.order_by("pk")[0].pk,
            "{artifact_id}": ArtifactRecord.objects.order_by("pk")[0].pk,
            "{name}": {"schedules": "nightly", "queues": QUEUE, "secrets": "stripe_key"}.get(
                path.split("/")[3], FUNCTION
            ),
        }.items():
            self.path = self.path.replace(name, str(value))
        assert "{" not in self.path, f"say what {self.path} is asked for"
        takes = operation.get("requestBody", {"required": False})
        assert self.name in _BODIES or not takes["required"] or self.name == "upload_artifact", self.name

    def by(self, client: Client, **headers: str) -> int:
        status: int = self.ask(client, "", **headers).status_code
        return status

    def ask(self, client: Client, query: str, **headers: str) -> Any:
        """Return the answer; ``query`` begins with a question mark."""
        if self.name == "upload_artifact":
            return client.post(self.path + query, {}, headers=headers)
        body = _BODIES.get(self.name)
        return client.generic(
            self.method.upper(),
            self.path + query,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers=headers,
        )


def calls() -> list[Call]:
    """Return the operations that ask who calls."""
    return [
        Call(method, path, operation)
        for path, operations in schema()["paths"].items()
        for method, operation in operations.items()
        if operation["operationId"] not in _PUBLIC
    ]


def everything() -> dict[str, Any]:
    """Return all rows of ours, who may what, the audit trail, and all keys in Redis."""
    found: dict[str, Any] = {}
    models: list[type[Model]] = [*apps.get_app_config("upnext").get_models(), User, LogEntry]
    for model in models:
        if model._meta.managed:
            columns = [one.attname for one in model._meta.concrete_fields if one.attname != "last_used_at"]
            found[model._meta.label] = sorted(map(repr, model._base_manager.values_list(*columns)))
    broker = get_broker()
    with redis.Redis.from_url(broker.url) as server:
        for key in server.scan_iter(match=f"un:{{{broker.environment.namespace}*"):
            found[key.decode()] = server.dump(key)
    return found


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def addresses() -> dict[str, set[str]]:
    """Return what Django routes to the API: the methods of each address, but for HEAD, which is GET."""
    (ours,) = [one for one in get_resolver().url_patterns if str(one.pattern) == "api/v1/"]
    assert isinstance(ours, URLResolver)
    found: dict[str, set[str]] = {}
    for one in ours.url_patterns:
        path = f"/api/v1/{one.pattern}"
        allowed = Client().options(re.sub("<[^>]*>", "1", path)).headers.get("Allow", "")
        found[re.sub("<(?:[^:>]*:)?([^>]*)>", r"{\1}", path)] = set(allowed.split(", ")) - {"", "HEAD"}
    return found


@pytest.mark.django_db
def test_the_schema_has_every_operation_that_is_served():
    """The matrix is made from it: what is left out of the schema would be let in unseen."""
    operations = schema()["paths"]
    open_to_all = [one for path in operations.values() for one in path.values() if "security" not in one]

    served = addresses()

    # The pages of the API itself are no operations; test_reference has who may see them.
    assert {path: served.pop(path) for path in ("/api/v1/docs", "/api/v1/openapi.json", "/api/v1/")} == {
        "/api/v1/docs": set(),
        "/api/v1/openapi.json": set(),
        "/api/v1/": set(),
    }
    assert served == {path: {one.upper() for one in found} for path, found in operations.items()}
    assert {one["operationId"] for one in open_to_all} == _PUBLIC


def test_a_token_in_the_address_opens_nothing_and_is_logged_nowhere(
    things: Lab, person: Person, token_of: TokenOf, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    token = token_of(person("*", is_staff=True), *SCOPES)
    pages = [Client().get(f"/api/v1/{page}?token={token}") for page in ("docs", "openapi.json")]
    before, found = everything(), calls()

    for name in ("token", "access_token"):
        query = f"?{name}={token}"
        by_nobody = {call.name: call.ask(Client(), query).status_code for call in found}
        beside = {call.name: call.ask(Client(), query, **_bearer(token)) for call in found}

        assert {call: status for call, status in by_nobody.items() if status != 401} == {}
        # With a right token in its place too: who sends both would see the wrong habit work.
        assert {call: one.status_code for call, one in beside.items() if one.status_code != 422} == {}
        assert [call for call, one in beside.items() if token in one.content.decode()] == []
    assert everything() == before
    assert [(one.status_code, token in one.headers["Location"]) for one in pages] == [(302, False)] * 2
    assert token.split("_", 2)[2] not in caplog.text


def test_nobody_is_let_in_anywhere_and_changes_nothing(things: Lab):
    before = everything()

    found = {call.name: call.by(Client()) for call in calls()}

    assert {name: status for name, status in found.items() if status != 401} == {}
    assert everything() == before


def test_a_bad_token_is_let_in_nowhere(things: Lab, person: Person, token_of: TokenOf):
    user = person("*")
    revoked, expired = token_of(user, *SCOPES), token_of(user, *SCOPES)
    ApiToken.objects.filter(prefix=revoked.split("_")[1]).update(revoked_at="2020-01-01T00:00:00Z")
    ApiToken.objects.filter(prefix=expired.split("_")[1]).update(expires_at="2020-01-01T00:00:00Z")
    client = Client()
    client.force_login(user)  # A session beside a bad token does not help.
    before = everything()

    for token in (revoked, expired, "garbage", revoked[:-1]):
        found = {call.name: call.by(client, **_bearer(token)) for call in calls()}
        assert {name: status for name, status in found.items() if status != 401} == {}, token

    assert everything() == before


def test_a_user_without_permissions_is_let_in_nowhere(things: Lab, person: Person, token_of: TokenOf):
    user = person()
    client = Client()
    client.force_login(user)
    token = token_of(user, *SCOPES)
    before = everything()

    by_session = {call.name: call.by(client) for call in calls()}
    by_token = {call.name: call.by(Client(), **_bearer(token)) for call in calls()}

    assert {name: status for name, status in by_session.items() if status != 403} == {}
    assert {name: status for name, status in by_token.items() if status != 403} == {}
    assert everything() == before


@pytest.mark.parametrize("scopes", [*((one,) for one in SCOPES), ("read", "payload")], ids="-".join)
def test_scopes_open_what_they_cover_and_nothing_else(
    things: Lab, person: Person, token_of: TokenOf, scopes: tuple[str, ...]
):
    headers = _bearer(token_of(person("*"), *scopes))
    found = calls()
    covered = [call for call in found if call.scopes <= set(scopes)]
    before = everything()

    refused = {call.name: call.by(Client(), **headers) for call in found if call not in covered}

    # A payload is of something that the token must be able to read.
    assert bool(covered) is (scopes != ("payload",))
    assert {name: status for name, status in refused.items() if status != 403} == {}
    assert everything() == before
    for call in covered:
        if call.name not in _CLOSED:
            assert call.by(Client(), **headers) not in (401, 403), call.name


@pytest.mark.databases
def test_each_permission_is_needed_and_enough(things: Lab, person: Person):
    user = person()
    every = {one.codename: one for one in Permission.objects.filter(content_type__app_label="upnext")}
    client = Client()
    client.force_login(user)
    before = everything()

    for call in calls():
        for lacking in call.permissions:
            user.user_permissions.set([one for name, one in every.items() if name != lacking])
            assert (call.name, lacking, call.by(client)) == (call.name, lacking, 403)

    user.user_permissions.clear()
    assert everything() == before
    # Who asked for an action is the only one to take it up.
    BulkAction.objects.update(user_id=str(user.pk))
    for call in calls():
        needed = [*call.permissions, *_BESIDE.get(call.name, ())]
        user.user_permissions.set([every[name] for name in needed])
        if call.name not in _CLOSED:
            assert call.by(client) not in (401, 403), call.name


def test_a_form_from_another_site_does_nothing(things: Lab, person: Person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("*"))
    before = everything()

    found = {call.name: call.by(client) for call in calls() if call.method != "get"}

    assert {name: status for name, status in found.items() if status != 403} == {}
    assert everything() == before


@pytest.mark.databases
def test_looking_at_everything_changes_nothing(things: Lab, person: Person, token_of: TokenOf):
    headers = _bearer(token_of(person("*"), *SCOPES))
    before = everything()

    found = {call.name: call.by(Client(), **headers) for call in calls() if call.method == "get"}

    assert {name: status for name, status in found.items() if status not in (200, 404, 501, 503)} == {}
    assert everything() == before


def test_the_comparison_sees_what_a_call_does(things: Lab, person: Person, token_of: TokenOf):
    headers = _bearer(token_of(person("*"), *SCOPES))
    before = everything()

    (pause,) = [call for call in calls() if call.name == "pause_queue"]

    assert pause.by(Client(), **headers) == 200
    assert everything() != before
