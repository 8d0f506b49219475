"""--reload: a parent that starts its child anew after an edit, and takes it along when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.django.project import environment_for
from tests.waiting import wait_until

PARENT = """
import sys
from pathlib import Path
import django
django.setup()
from upnext_django.management.reload import ReloadingParent

folder = Path(sys.argv[1])
arguments = [sys.executable, str(folder / "child.py"), str(folder / "log")]
report = lambda line: print(line, flush=True)
sys.exit(ReloadingParent(arguments, folders=[folder], report=report, drain_s=10).run())
"""

#: Writes "start", then "drained" when it is asked to stop, and ends with the code it is given.
CHILD = """
import signal, sys, threading
from upnext_django.management.reload import follow_parent

def write(line):
    with open(sys.argv[1], "a") as log:
        log.write(line + "\\n")

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
follow_parent(stop.set)
write("start")
if {code} is None:
    while not stop.wait(0.05):
        pass
    write("drained")
sys.exit({code} or 0)
"""


class Project:
    """A folder with a child program, and the parent that watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write_child(None)

    def write_child(self, code: int | None) -> None:
        (self.folder / "child.py").write_text(CHILD.format(code=code))

    def start(self) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(self.folder)],
            env=environment_for(self.folder / "none.sqlite3"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().split() if path.exists() else []

    def wait_for(self, *lines: str) -> None:
        wait_until(lambda: self.log() == list(lines), f"the children wrote {lines}", timeout=15)

    def read_until(self, text: str) -> None:
        assert self.parent.stdout is not None
        for line in self.parent.stdout:
            if text in line:
                return
        raise AssertionError(f"the parent ended without saying {text!r}")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    project.parent.kill()
    project.parent.communicate()


def test_an_edit_drains_the_worker_and_starts_another(project):
    project.start()
    project.wait_for("start")
    watched = project.folder / "tasks.py"
    wait_until(lambda: touched(watched, project, 2), "the edit was seen", timeout=15)

    wait_until(lambda: project.log()[:3] == ["start", "drained", "start"], "another starts", timeout=15)


def touched(path: Path, project: Project, lines: int) -> bool:
    """Edit the file; True once the children have written ``lines`` lines."""
    if len(project.log()) < lines:
        path.write_text(path.read_text() + "\n" if path.exists() else "")
    return len(project.log()) >= lines


def test_a_signal_drains_the_worker_and_ends_with_its_code(project):
    project.start()
    project.wait_for("start")

    project.parent.send_signal(signal.SIGTERM)

    assert project.parent.wait(timeout=15) == 0
    assert project.log() == ["start", "drained"]


def test_a_worker_that_fails_to_start_is_started_again_after_the_next_edit(project):
    project.write_child(1)
    project.start()
    project.read_until("exit code 1; it starts again after the next edit")

    project.write_child(None)

    project.wait_for("start", "start")


def test_a_worker_that_asks_for_a_fresh_process_gets_one_at_once(project):
    project.write_child(75)
    project.start()

    wait_until(lambda: len(project.log()) >= 2, "it was started again", timeout=15)


def test_the_end_of_a_worker_with_nothing_more_to_do_is_the_end(project):
    project.write_child(0)
    project.start()

    assert project.parent.wait(timeout=15) == 0
    assert project.log() == ["start"]


def test_a_worker_ends_when_its_parent_is_killed(project):
    project.start()
    project.wait_for("start")

    project.parent.kill()

    project.wait_for("start", "drained")
