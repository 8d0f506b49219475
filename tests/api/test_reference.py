"""What is committed of the API is what is served."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, override_settings

from tests.api.reference import FILE, PAGE, page_of, schema, text_of

HINT = "it is out of date; run: make api-reference"


def test_the_committed_schema_is_the_served_one():
    assert FILE.read_text() == text_of(schema()), HINT


def test_the_page_is_made_from_the_schema():
    assert PAGE.read_text() == page_of(schema()), HINT


def operations() -> list[tuple[str, str, dict[str, object]]]:
    return [
        (method, path, operation)
        for path, found in schema()["paths"].items()
        for method, operation in found.items()
    ]


def test_every_operation_says_who_may_call_it_and_what_it_answers():
    for method, path, operation in operations():
        responses = operation["responses"]
        assert isinstance(responses, dict)
        if operation.get("security") is not None:
            assert operation["x-permissions"], (method, path)
            assert operation["x-scopes"], (method, path)
            assert {"401", "403", "429"} <= responses.keys(), (method, path)
        assert operation["summary"], (method, path)


def test_shapes_are_told_once_and_answers_have_all_their_fields():
    """Generators made two classes of an enumeration, and of a field that is always there a maybe."""
    found = schema()
    shapes = found["components"]["schemas"]
    text = json.dumps(found)
    enumerations = [json.dumps(one["enum"]) for one in shapes.values() if "enum" in one]

    assert [name for name in shapes if f'"#/components/schemas/{name}"' not in text] == []
    assert [one for one in enumerations if text.count(one) != 1] == []
    for name in ("JobDetail", "LetterPage", "Problem", "JobEvent"):
        assert shapes[name]["required"] == list(shapes[name]["properties"]), name
    for name in ("Submit", "Edit", "Many"):
        assert "required" not in shapes[name], name


def test_every_post_that_submits_takes_an_idempotency_key():
    submitting = {"submit_job", "retry_job", "replay_dead_letter", "run_schedule", "send_event"}
    beginning = {
        "retry_jobs",
        "cancel_jobs",
        "delete_jobs",
        "replay_all_dead_letters",
        "discard_all_dead_letters",
    }
    taking = {
        operation["operationId"]
        for _, _, operation in operations()
        if any(one["name"] == "Idempotency-Key" for one in operation["parameters"])  # type: ignore[attr-defined]
    }

    assert taking == submitting | beginning


@pytest.mark.django_db
def test_the_pages_of_the_api_are_for_staff_and_from_here(
    client: Client, person: Callable[..., User], token_of: Callable[..., str]
):
    refused = [client.get(f"/api/v1/{name}").status_code for name in ("docs", "openapi.json")]
    client.force_login(person(is_staff=True))
    page = client.get("/api/v1/docs").content.decode()
    token = token_of(User.objects.get(), "read")
    by_token = Client().get("/api/v1/openapi.json", headers={"authorization": f"Bearer {token}"})
    by_garbage = Client().get("/api/v1/openapi.json", headers={"authorization": "Bearer nonsense"})
    with override_settings(INSTALLED_APPS=[app for app in settings.INSTALLED_APPS if app != "ninja"]):
        without_ninja = client.get("/api/v1/docs").status_code

    assert refused == [302, 302]
    assert "static/ninja/swagger-ui-bundle.js" in page
    assert "//cdn" not in page
    assert (by_token.status_code, by_garbage.status_code, without_ninja) == (200, 401, 404)
