"""Every option has a test that proves it, and the page that says which is right."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import upnext_django as upnext
from tests.contract.pages import REFERENCE
from upnext_django.conf import Settings
from upnext_django.core.options import DEFAULTS
from upnext_django.declare.options import TaskOptions

_ROOT = Path(__file__).resolve().parents[2]

#: Follows from RETENTION and is no key of UPNEXT.
_DERIVED = {"DEAD_TTL_S"}


def options() -> dict[str, set[str]]:
    """Return what can be written, by the sections of the page."""
    worker = set(inspect.signature(upnext.Worker).parameters)
    cron = set(inspect.signature(upnext.cron).parameters) - {"options"}
    return {
        "Of a task": {*DEFAULTS, "queue"},
        "Of one call": set(TaskOptions.__optional_keys__),
        "Of a cron": cron,
        "Of a Worker": worker,
        "Settings": {field.name.upper() for field in fields(Settings)} - _DERIVED,
    }


def rows(section: str) -> dict[str, str]:
    """Return option -> test of a section of the page."""
    text = (REFERENCE / "options-and-tests.md").read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| `(\S+)` \|$", text, re.MULTILINE))


@pytest.mark.parametrize("section", options())
def test_every_option_has_a_row_and_every_row_an_option(section: str):
    assert set(rows(section)) == options()[section]


@pytest.mark.parametrize("section", options())
def test_every_row_names_a_test_that_is_there(section: str):
    for option, test in rows(section).items():
        file, _, name = test.partition("::")
        path = _ROOT / file

        assert path.is_file(), f"{option}: there is no {file}"
        found = re.search(rf"^ *(async )?def {re.escape(name)}\(", path.read_text(), re.MULTILINE)
        assert name.startswith("test_"), f"{option}: {test} names no test"
        assert found, f"{option}: {file} has no {name}"
