"""Every page, filter, search and question of the admin, on rows of every kind."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.benchmarks.admin.visits import visits
from tests.seeded import opened, seeded

__all__ = ["seeded"]


@pytest.mark.usefixtures("seeded")
def test_every_page_opens(admin_client: Client):
    statuses = opened(admin_client, visits(admin_client))

    assert len(statuses) > 200
    assert {title: status for title, status in statuses.items() if status >= 500} == {}
