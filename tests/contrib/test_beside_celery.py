"""The package and the newest Celery with its Redis extra fit into one environment."""

from __future__ import annotations

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement


@pytest.mark.parametrize(
    ("package", "extra"),
    [("upnext-django", ""), ("celery", ""), ("celery", "redis"), ("kombu", ""), ("kombu", "redis")],
)
def test_what_is_installed_is_what_each_of_them_asks_for(package: str, extra: str):
    asked = [Requirement(line) for line in requires(package) or ()]
    needed = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": extra})]

    assert needed
    assert [str(one) for one in needed if not one.specifier.contains(version(one.name))] == []


def test_nobody_needs_a_part_of_celery():
    ours = {Requirement(line).name for line in requires("upnext-django") or ()}

    assert ours.isdisjoint({"celery", "kombu", "billiard", "vine"})
