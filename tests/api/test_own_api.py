"""The router in a NinjaAPI of one's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.api.own_urls")]


def test_it_asks_who_calls_there_too(
    client: Client, person: Callable[..., User], token_of: Callable[..., str]
):
    headers = {"authorization": f"Bearer {token_of(person('view_jobrecord'), 'read')}"}

    assert client.get("/plain/jobs-of-ours/jobs").status_code == 401
    assert client.get("/plain/jobs-of-ours/jobs", headers=headers).json() == {"items": [], "next": None}
    assert client.get("/plain/jobs-of-ours/dlq", headers=headers).status_code == 403
    assert client.get("/plain/jobs-of-ours/jobs/none/tree", headers=headers).status_code == 404


def test_it_refuses_in_our_shape_where_that_is_installed(client: Client):
    answer = client.get("/installed/jobs")

    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
