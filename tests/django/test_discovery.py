"""Every tasks.py of the installed apps is imported when Django starts; an error in one is raised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.django.project import ROOT

PROGRAM = """
import sys
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["upnext_django", *sys.argv[1:]], UPNEXT={"REDIS_URL": "redis://nowhere"})
django.setup()
from upnext_django.declare.registry import registry
print(*sorted(task.name for task in registry.tasks))
"""
TASK = "from upnext_django.declare.worker import task\n\n@task\ndef {name}(): ...\n"


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    """A folder of apps, importable in the processes that start() makes."""
    for name in ("shop", "blog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    return tmp_path


def start(folder: Path, *installed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *installed],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        text=True,
    )


def test_tasks_modules_and_all_modules_of_tasks_packages_are_found(apps):
    (apps / "shop" / "tasks.py").write_text(TASK.format(name="charge"))
    package = apps / "blog" / "tasks"
    (package / "daily").mkdir(parents=True)
    (package / "__init__.py").write_text(TASK.format(name="publish"))
    (package / "mail.py").write_text(TASK.format(name="send"))
    (package / "daily" / "__init__.py").touch()
    (package / "daily" / "report.py").write_text(TASK.format(name="write"))

    done = start(apps, "shop", "blog")

    assert done.stdout.split() == [
        "blog.tasks.daily.report.write",
        "blog.tasks.mail.send",
        "blog.tasks.publish",
        "shop.tasks.charge",
    ]


def test_an_app_without_tasks_is_fine(apps):
    done = start(apps, "shop")

    assert (done.returncode, done.stdout.strip()) == (0, "")


@pytest.mark.parametrize("file", ["tasks.py", "tasks/__init__.py", "tasks/deep.py"])
def test_an_import_error_in_a_tasks_module_is_raised(apps, file):
    if file != "tasks.py":
        (apps / "shop" / "tasks").mkdir()
        (apps / "shop" / "tasks" / "__init__.py").touch()
    (apps / "shop" / file).write_text("import no_such_module\n")

    done = start(apps, "shop")

    assert done.returncode == 1
    assert "No module named 'no_such_module'" in done.stderr
