"""Every GET of the API with its filters, on rows of every kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.benchmarks.api.visits import visits
from tests.seeded import opened, seeded
from upnext_django.models.token import SCOPES

__all__ = ["seeded"]


@pytest.mark.usefixtures("seeded")
def test_every_list_and_number_is_answered(person: Callable[..., User], token_of: Callable[..., str]):
    client = Client(headers={"authorization": f"Bearer {token_of(person('*'), *SCOPES)}"})
    statuses = opened(client, visits(client))

    assert len(statuses) > 100
    # No worker and no mirror run.
    assert statuses.pop("ready") == 503
    assert {title: status for title, status in statuses.items() if status != 200} == {}
