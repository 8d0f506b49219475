"""The demo as a visitor of the repository runs it: one command, started from nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a copy of what the demo needs, so that the developer's own data is left alone."""
    shutil.copy(REPOSITORY / "manage.py", tmp_path)
    for package in ("example_project", "upnext_django"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def start(checkout: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "example_project.demo"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_demo_shows_the_tree_the_retries_and_the_dead_letter(checkout: Path):
    output, _ = start(checkout).communicate(timeout=90)

    assert "The demo failed" not in output
    assert "receipt written by job" in output
    assert "13 of 13 jobs ended" in output
    span = r" +(?:\d+ ms|\d+\.\d\d s)"
    assert len(re.findall(rf"step\(segment=\d, step=\d\){span}{span}  complete", output)) == 9
    assert re.search(r"attempt 3  after +\S+ \w+  complete", output)
    assert (
        "dead letter after 2 attempts: ValueError: the bank refuses an amount of 0; it must be above 0"
        in output
    )
    assert "/admin/" in output
    assert "password '" not in output


def test_the_demo_exits_0_and_leaves_nothing_running(checkout: Path):
    demo = start(checkout)
    output, _ = demo.communicate(timeout=90)

    assert demo.returncode == 0, output
    port = re.search(r"http://127\.0\.0\.1:(\d+), log", output)
    assert port is not None
    assert not is_listening(int(port[1]))
    wait_until(lambda: not (checkout / ".upnext" / "valkey.sock").exists(), "the embedded Valkey has ended")


def test_serve_keeps_the_site_up_until_it_is_told_to_stop(checkout: Path):
    demo = start(checkout, SERVE="1")
    assert demo.stdout is not None
    said: list[str] = []
    for line in demo.stdout:
        said.append(line)
        if "stay up" in line:
            break
    port = re.search(r"http://127\.0\.0\.1:(\d+)/admin/", "".join(said))
    assert port is not None, "".join(said)
    was_listening = is_listening(int(port[1]))
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=60)

    assert was_listening
    assert demo.returncode == 0
    assert not is_listening(int(port[1]))
    assert re.search(r"password '\S{16}'", "".join(said))
