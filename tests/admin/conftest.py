"""What the tests of the admin ask for: a namespace with a job of each kind, and every address of it."""

from __future__ import annotations

import pytest

from tests.admin.addresses import addresses
from tests.broker.lab import Lab
from tests.things import things

__all__ = ["known", "things"]


@pytest.fixture
def known(things: Lab) -> dict[str, str]:
    """Give every address by its name, those of rows that there are."""
    return {**addresses(), "app_list": "/admin/upnext/"}
