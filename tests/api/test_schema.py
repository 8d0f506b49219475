"""The served OpenAPI text is true: schemathesis asks what it allows and what it forbids, as each caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.test import Client, override_settings
from django.test.testcases import LiveServerThread
from schemathesis import engine
from schemathesis.engine import events

from tests.api.reference import schema
from tests.broker.lab import Lab
from tests.keys import KEY
from upnext_django.models.token import SCOPES

pytestmark = pytest.mark.slow

Person = Callable[..., User]
TokenOf = Callable[..., str]

#: What a request that fits the schema may be answered with: many a rule is the function's own.
_MEANT_FOR_VALID = ["2xx", "401", "403", "404", "409", "422", "501", "503"]
#: 501 and 503 are answers of their own here (no stream under WSGI, not ready), and declared like others.
_NO_FAULT = ["2xx", "3xx", "4xx", "501", "503"]


@contextmanager
def serving() -> Iterator[str]:
    """Give the address of a server of this project; it uses this test's database."""
    in_memory: Any = {
        one.alias: one
        for one in connections.all()
        if one.vendor == "sqlite" and one.is_in_memory_db()  # type: ignore[attr-defined]
    }
    for one in in_memory.values():
        one.inc_thread_sharing()
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler, connections_override=in_memory)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        thread.terminate()
        thread.join()
        for one in in_memory.values():
            one.dec_thread_sharing()


@pytest.fixture
def site(things: Lab, valkey_url: str, namespace: str) -> Iterator[str]:
    own = {
        "REDIS_URL": valkey_url,
        "NAMESPACE": namespace,
        "SECRETS_KEYS": [KEY],
        "API_RATES": {"token": None, "address": None},
    }
    with override_settings(UPNEXT=own, ALLOWED_HOSTS=["*"]), serving() as address:
        yield address


def findings(
    address: str, headers: Mapping[str, str], to_read: str, *, examples: int, thorough: bool
) -> tuple[list[str], set[str]]:
    """Return what is wrong, and which operations were asked. ``to_read`` is a token for the schema."""
    config = schemathesis.Config.from_dict(
        {
            "headers": dict(headers),
            # Whoever has all cores at this moment is not what is asked here.
            "request-timeout": 60,
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "database": "none",
                "no-shrink": True,
            },
            "checks": {
                "not_a_server_error": {"expected-statuses": _NO_FAULT},
                "positive_data_acceptance": {"expected-statuses": _MEANT_FOR_VALID},
            },
            "phases": {
                "coverage": {"enabled": thorough, "unexpected-methods": ["PUT", "TRACE"]},
                "stateful": {"enabled": thorough},
            },
        }
    )
    served = schemathesis.openapi.from_url(
        f"{address}/api/v1/openapi.json",
        config=config,
        headers={"Authorization": f"Bearer {to_read}"},
        timeout=60,
    )
    wrong: list[str] = []
    asked: set[str] = set()
    for event in engine.from_schema(served).execute():
        if isinstance(event, events.ScenarioFinished):
            asked.update(node.value.operation.label for node in event.recorder.cases.values())
            wrong += _failures(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            wrong.append(str(event))
    return sorted(set(wrong)), asked


def _failures(event: events.ScenarioFinished) -> Iterator[str]:
    recorder = event.recorder
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                case, failure = recorder.cases[case_id].value, check.failure_info.failure
                yield f"{case.operation.label}: {failure.title}: {failure.message} ({case.as_curl_command()})"


def operations() -> set[str]:
    """Return all operations of the schema, as schemathesis calls them."""
    return {f"{method.upper()} {path}" for path, found in schema()["paths"].items() for method in found}


@pytest.fixture(params=[pytest.param(1, id="short"), pytest.param(100, id="full", marks=pytest.mark.soak)])
def examples(request: pytest.FixtureRequest) -> int:
    """Give how many requests of each kind are made to each operation."""
    return request.param  # type: ignore[no-any-return]


def test_the_schema_is_true_in_all_it_says(site: str, person: Person, token_of: TokenOf, examples: int):
    token = token_of(person("*", is_staff=True), *SCOPES)

    wrong, asked = findings(
        site, {"Authorization": f"Bearer {token}"}, token, examples=max(3, examples), thorough=True
    )

    assert not wrong
    assert asked == operations()


@pytest.mark.parametrize("scope", SCOPES)
def test_the_schema_is_true_for_a_token_of_one_scope(
    site: str, person: Person, token_of: TokenOf, scope: str, examples: int
):
    user = person("*", is_staff=True)

    wrong, asked = findings(
        site,
        {"Authorization": f"Bearer {token_of(user, scope)}"},
        token_of(user, "read"),
        examples=examples,
        thorough=False,
    )

    assert not wrong
    assert asked == operations()


def test_the_schema_is_true_for_a_session(site: str, person: Person, token_of: TokenOf, examples: int):
    user = person("*", is_staff=True)
    browser = Client()
    browser.force_login(user)
    csrf = "a" * 32
    cookies = f"sessionid={browser.cookies['sessionid'].value}; csrftoken={csrf}"

    wrong, asked = findings(
        site,
        {"Cookie": cookies, "X-CSRFToken": csrf},
        token_of(user, "read"),
        examples=examples,
        thorough=False,
    )

    assert not wrong
    assert asked == operations()


def test_the_schema_is_true_for_nobody(site: str, person: Person, token_of: TokenOf, examples: int):
    wrong, asked = findings(
        site, {}, token_of(person("*", is_staff=True), "read"), examples=examples, thorough=False
    )

    assert not wrong
    assert asked == operations()
