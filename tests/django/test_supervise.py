"""--processes: a parent that keeps N workers running. Its workers are small programs here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.server import free_port
from tests.probing import probe
from tests.waiting import wait_until
from upnext_django.management import supervise
from upnext_django.management.probe import listen

#: Writes "start NUMBER PID", says that it is ready, waits for a signal, and ends as its orders say.
CHILD = """
import json, os, signal, sys, threading, time
folder = sys.argv[1]
told = json.loads(os.environ["UPNEXT_SUPERVISED"])
orders = json.load(open(f"{folder}/orders"))
if orders["fails_at_first"] and os.path.exists(f"{folder}/log"):
    orders |= {"ready": True, "code": None}

def write(*words):
    with open(f"{folder}/log", "a") as log:
        log.write(" ".join(map(str, words)) + "\\n")

stop = threading.Event()
count = 0
def hear(*_):
    global count
    count += 1
    write("signal", told["number"], count)
    if orders["obeys"] and count >= orders["signals"]:
        stop.set()
if orders["listens"]:
    signal.signal(signal.SIGTERM, hear)
    signal.signal(signal.SIGINT, hear)

def follow():
    os.read(told["lifeline"], 1)
    stop.set()
threading.Thread(target=follow, daemon=True).start()
if orders["ready"]:
    os.write(told["ready"], b"1")
write("start", told["number"], os.getpid())
if told["screen"]:
    write("screen")
if orders["health"]:
    open(f"{folder}/health.{told['number']}", "w").close()
while orders["code"] is None and not stop.wait(0.02):
    if told["health"]:
        os.write(told["ready"], open(f"{folder}/says").read().encode())
write("end", told["number"])
sys.exit(orders["code"] or orders["last"])
"""


class Parent:
    """A parent under test, and the orders of its workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "child.py").write_text(CHILD)
        self.order()
        self.process: subprocess.Popen[bytes] | None = None

    def order(self, **changed: Any) -> None:
        """Tell the workers that start from now on what to do."""
        orders: dict[str, Any] = {
            "listens": True,
            "obeys": True,
            "signals": 1,
            "ready": True,
            "health": False,
        }
        orders |= {"code": None, "last": 0, "fails_at_first": False}
        path = self.folder / "orders.new"
        path.write_text(json.dumps({**orders, **changed}))
        path.rename(self.folder / "orders")

    def say(self, how: bytes) -> None:
        """Have the workers tell the parent again and again how they are."""
        path = self.folder / "says.new"
        path.write_bytes(how)
        path.rename(self.folder / "says")

    def start_with_probes(self, processes: int = 2) -> int:
        """Start it as the command does, with a socket that it inherits; the port that it answers on."""
        port = free_port()
        with listen("127.0.0.1", port) as listener:
            listener.set_inheritable(True)
            self.start(processes, pass_fds=[listener.fileno()], health_fd=listener.fileno())
        return port

    def start(self, processes: int = 2, *, pass_fds: Sequence[int] = (), **spec: Any) -> None:
        arguments = [sys.executable, "-S", str(self.folder / "child.py"), str(self.folder)]
        told = {"arguments": arguments, "processes": processes, "drain_s": 20.0, **spec}
        self.output = (self.folder / "output").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", supervise.__file__, json.dumps(told)],
            stderr=self.output,
            start_new_session=True,
            pass_fds=pass_fds,
        )

    def lines(self, word: str) -> list[list[str]]:
        """Return what follows ``word`` in the lines of the workers."""
        path = self.folder / "log"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [words for first, *words in lines if first == word]

    def pids(self) -> list[int]:
        return [int(pid) for _, pid in self.lines("start")]

    def wait_for(self, word: str, number: int) -> None:
        wait_until(lambda: len(self.lines(word)) >= number, f"the workers wrote {number} times {word}", 20)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def exit_code(self) -> int:
        assert self.process is not None
        return self.process.wait(30)

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.output.close()
        wait_until(lambda: not any(map(is_running, self.pids())), "the workers have ended with the test", 20)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    parent = Parent(tmp_path)
    yield parent
    parent.end()


def test_n_workers_run_each_in_a_group_of_its_own_and_one_shows_the_screen(parent):
    parent.start(3)
    parent.wait_for("start", 3)
    parent.wait_for("screen", 1)

    assert sorted(number for number, _ in parent.lines("start")) == ["1", "2", "3"]
    assert [os.getpgid(pid) for pid in parent.pids()] == parent.pids()
    assert len(parent.lines("screen")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_each_worker_once_and_the_parent_ends_with_zero(parent, number):
    parent.start()
    parent.wait_for("start", 2)

    parent.send(number)

    assert parent.exit_code() == 0
    assert sorted(parent.lines("signal")) == [["1", "1"], ["2", "1"]]
    assert len(parent.lines("start")) == 2


def test_a_signal_that_finds_workers_still_importing_ends_with_zero(parent):
    parent.order(listens=False, ready=False)
    parent.start()
    parent.wait_for("start", 2)

    parent.send(signal.SIGTERM)

    assert parent.exit_code() == 0


def test_a_second_signal_is_passed_on_if_it_comes_later_than_a_second(parent):
    parent.order(signals=2)
    parent.start(1)
    parent.wait_for("start", 1)
    parent.send(signal.SIGTERM)
    parent.wait_for("signal", 1)

    later = time.monotonic() + supervise._SECOND_SIGNAL_S
    wait_until(lambda: time.monotonic() > later, "a second has passed")
    parent.send(signal.SIGTERM)

    assert parent.exit_code() == 0
    assert parent.lines("signal") == [["1", "1"], ["1", "2"]]


def test_a_worker_that_dies_is_replaced_and_the_log_says_how_it_died(parent):
    parent.start()
    parent.wait_for("start", 2)

    os.kill(parent.pids()[0], signal.SIGKILL)

    parent.wait_for("start", 3)
    assert re.search(r"was killed by SIGKILL after \d+ s; starting another in 1 s", parent.said())
    assert is_running(parent.pids()[1])


@pytest.mark.parametrize("code", [0, supervise.STUCK, supervise.RECYCLED])
def test_a_worker_that_ends_in_order_is_replaced_at_once(parent, code):
    parent.order(last=code)
    parent.start(1)
    parent.wait_for("start", 1)

    os.kill(parent.pids()[0], signal.SIGTERM)

    parent.wait_for("start", 2)
    assert "asked for a fresh process" in parent.said()


def test_workers_that_cannot_start_end_the_parent_with_their_code(parent):
    """An ImportError would else be printed for ever, and the supervisor above would see a healthy service."""
    parent.order(ready=False, code=3)
    parent.start()

    assert parent.exit_code() == 3
    assert len([line for line in parent.lines("start") if line[0] == "1"]) <= 4
    assert "before it took a job, 4 times in a row; giving up" in parent.said()


def test_a_worker_that_fails_to_start_only_at_first_is_started_again(parent):
    parent.order(ready=False, code=3, fails_at_first=True)
    parent.start(1)

    parent.wait_for("start", 2)
    assert is_running(parent.pids()[1])
    parent.send(signal.SIGTERM)
    assert parent.exit_code() == 0
    assert len(parent.lines("start")) == 2


def test_a_code_of_a_worker_that_fails_at_the_end_is_the_parents(parent):
    parent.order(last=5)
    parent.start()
    parent.wait_for("start", 2)

    parent.send(signal.SIGTERM)

    assert parent.exit_code() == 5


def test_a_worker_that_does_not_end_is_killed(parent):
    parent.order(obeys=False)
    parent.start(1, drain_s=1.0)
    parent.wait_for("start", 1)

    parent.send(signal.SIGTERM)

    assert parent.exit_code() == 128 + signal.SIGKILL
    assert "did not end and is killed" in parent.said()


def test_a_burst_ends_when_each_worker_has_found_nothing_left(parent):
    parent.order(code=0)
    parent.start(burst=True)

    assert parent.exit_code() == 0
    assert len(parent.lines("start")) == 2


def test_workers_end_when_the_parent_is_killed(parent):
    parent.start()
    parent.wait_for("start", 2)

    parent.send(signal.SIGKILL)

    parent.wait_for("end", 2)


def test_the_health_file_is_touched_while_every_worker_is_well_and_goes_with_the_parent(parent):
    health = parent.folder / "health"
    parent.order(health=True)
    parent.start(health_file=str(health))
    parent.wait_for("start", 2)
    wait_until(health.exists, "the parent says that all are well", 10)

    os.utime(f"{health}.1", (1, 1))
    parent.order(health=False)
    os.kill(parent.pids()[0], signal.SIGKILL)
    parent.wait_for("start", 3)
    os.utime(health, (1, 1))  # not earlier: the parent may have been about to touch it
    os.kill(parent.pids()[2], signal.SIGKILL)
    parent.wait_for("start", 4)

    assert health.stat().st_mtime == 1
    parent.send(signal.SIGTERM)
    assert parent.exit_code() == 0
    assert not health.exists()


# -- probes


def test_one_answer_stands_for_all_workers(parent):
    parent.say(supervise.READY)
    port = parent.start_with_probes()

    wait_until(lambda: probe(port, "/ready").status == 200, "all workers take jobs", 20)

    assert probe(port, "/health").status == 200


def test_a_worker_whose_loop_hangs_is_told_of_at_once(parent):
    parent.say(supervise.READY)
    port = parent.start_with_probes()
    wait_until(lambda: probe(port, "/ready").status == 200, "all workers take jobs", 20)

    parent.say(supervise.NOT_LIVE)

    wait_until(lambda: probe(port, "/health").status == 503, "a worker hangs", 20)
    # All of them are told, one after the other: the first in order is named as soon as it hangs.
    told = "the event loop or the heartbeat of worker 1 stands still"
    wait_until(lambda: told in probe(port, "/health").body, "the worker that hangs is named", 20)


def test_workers_without_redis_live_and_are_not_ready(parent):
    parent.order(ready=False)
    parent.say(supervise.LIVE)
    port = parent.start_with_probes()

    wait_until(
        lambda: "takes no jobs, or Redis does not answer" in probe(port, "/ready").body, "they say so", 20
    )

    assert probe(port, "/health").status == 200


def test_a_worker_that_died_is_replaced_and_no_reason_to_restart_the_others(parent):
    parent.say(supervise.READY)
    port = parent.start_with_probes(1)
    wait_until(lambda: probe(port, "/ready").status == 200, "the worker takes jobs", 20)

    parent.say(b"")  # to the next one, which takes no jobs until the test has looked
    os.kill(parent.pids()[0], signal.SIGKILL)

    wait_until(lambda: probe(port, "/ready").status == 503, "the worker is missed", 20)
    assert probe(port, "/health").status == 200
    parent.say(supervise.READY)
    wait_until(lambda: probe(port, "/ready").status == 200, "another takes its place", 20)


def test_workers_that_nobody_probes_are_asked_nothing(parent):
    parent.start(1)
    parent.wait_for("start", 1)

    assert not (parent.folder / "says").exists()
    assert is_running(parent.pids()[0])
