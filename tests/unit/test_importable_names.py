"""The name of the module that a file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from upnext_django.core.ids import first_id_at, new_job_id, tick_job_id
from upnext_django.core.names import importable_name


@pytest.mark.parametrize(
    ("file", "packages", "name"),
    [
        ("service.py", [], "service"),
        ("folder/service.py", [], "service"),
        ("shop/jobs.py", ["shop"], "shop.jobs"),
        ("shop/jobs/prices.py", ["shop", "shop/jobs"], "shop.jobs.prices"),
        ("folder/shop/jobs.py", ["folder/shop"], "shop.jobs"),
        ("shop/__main__.py", ["shop"], "shop"),
        ("shop/__init__.py", ["shop"], "shop"),
        ("folder/__main__.py", [], "__main__"),
    ],
)
def test_a_file_is_imported_with_its_packages(tmp_path: Path, file: str, packages: list[str], name: str):
    for package in packages:
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()

    assert importable_name(tmp_path / file) == name


def test_a_bound_of_ids_lies_between_two_times():
    before, after = tick_job_id("q", "a", 1_699_999_999_999), tick_job_id("q", "a", 1_700_000_000_000)

    assert before < first_id_at(1_700_000_000_000) < after < new_job_id("q")
