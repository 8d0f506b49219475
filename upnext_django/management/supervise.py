"""``--processes N``: the parent of N ordinary workers, which restarts them and ends with them.

Run as a program of its own, by the standard library alone: the command replaces itself with it, so that the
parent takes some 15 MB instead of a whole project. Each worker has its own process group, and hears only
the parent.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

__all__ = [
    "LIVE",
    "NOT_LIVE",
    "READY",
    "RECYCLED",
    "STUCK",
    "SUPERVISED",
    "TAKES_JOBS",
    "Supervisor",
    "become_supervisor",
]

#: In a worker: JSON with its ``number`` (from 1), the pipes ``lifeline`` (ends when the parent does) and
#: ``ready`` (where it says TAKES_JOBS and then how it is), and ``screen``: whether to print the start screen.
SUPERVISED = "UPNEXT_SUPERVISED"
#: What a worker says by its pipe: once that it takes jobs, and with ``--health-port`` every second how it is.
TAKES_JOBS, READY, LIVE, NOT_LIVE = b"1", b"r", b"l", b"n"
#: The exit codes of a worker that asks for a fresh process. They are those of runtime/options.py.
STUCK, RECYCLED = 75, 76

#: Starts in a row that end before the worker took jobs, until the parent gives up.
_START_FAILURES = 4
_LONGEST_PAUSE_S = 30.0
#: A worker that lived so long is not in a loop of crashes.
_LONG_LIFE_S = 60.0
_SECOND_SIGNAL_S = 1.0
_LOOK_S = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: A worker touches its file every few seconds, see runtime/health.py.
_HEALTHY_S = 20.0
#: So long a worker may take to start until its silence counts.
_START_S = 120.0
_PARENT_HANGS_S = 10.0

logger = logging.getLogger("upnext.parent")


@dataclass(slots=True)
class Place:
    """One of the N: the worker that runs there, and how those before it fared."""

    number: int
    child: subprocess.Popen[bytes] | None = None
    ready: int | None = None  # the pipe, until the worker has closed its end
    is_ready: bool = False
    said: bytes = b""  # how it is, and when it said so
    said_s: float = 0.0
    started_s: float = 0.0
    due_s: float = 0.0
    start_failures: int = 0
    quick_deaths: int = 0
    is_done: bool = False


class Supervisor:
    """Keeps ``processes`` workers running.

    ``arguments`` start one. With ``burst`` a worker that ends with 0 is not replaced. ``drain_s`` is how long
    one may take to end before it is killed. ``lifeline`` is a pipe that ends when this process is to end,
    None for none. ``health_file`` is touched while every worker's own, ``health_file.NUMBER``, is fresh.
    ``health_fd`` is a listening socket on which it answers probes for all of them.
    """

    def __init__(
        self,
        arguments: list[str],
        processes: int,
        *,
        drain_s: float,
        burst: bool = False,
        lifeline: int | None = None,
        health_file: str | None = None,
        health_fd: int | None = None,
    ) -> None:
        self._arguments = arguments
        self._places = [Place(number) for number in range(1, processes + 1)]
        self._drain_s = drain_s
        self._burst = burst
        self._above = lifeline
        self._health_file = health_file
        self._health_fd = health_fd
        self._looked_s = time.monotonic()
        self._is_first = True
        self._stops = 0
        self._first_stop_s = 0.0
        self._asked = 0
        self._code = 0
        self._lifeline, self._held_end = os.pipe()
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waking, False)

    def run(self) -> int:
        """Work until told to stop, or until no worker can run; the exit code. In the main thread."""
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._note)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # for the wake-up alone
        if self._health_fd is not None:
            # Before the signals are unblocked: they are the main thread's.
            self._answer_probes(self._health_fd)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        while True:
            self._looked_s = time.monotonic()
            self._reap()
            self._hear()
            running = [place for place in self._places if place.child is not None]
            if self._stops:
                if not running:
                    break
                self._insist(running)
            elif all(place.is_done for place in self._places):
                break
            else:
                self._start_due()
            self._look_after_health()
            self._sleep()
        if self._health_file is not None:
            with suppress(OSError):
                os.unlink(self._health_file)
        return self._code

    # -- workers

    def _start_due(self) -> None:
        now = time.monotonic()
        for place in self._places:
            if place.child is None and not place.is_done and now >= place.due_s:
                self._start(place)

    def _start(self, place: Place) -> None:
        place.ready, theirs = os.pipe()
        told = {
            "number": place.number,
            "lifeline": self._lifeline,
            "ready": theirs,
            "screen": self._is_first,
            "health": self._health_fd is not None,
        }
        self._is_first = False
        try:
            place.child = subprocess.Popen(
                self._arguments,
                env={**os.environ, SUPERVISED: json.dumps(told)},
                pass_fds=[self._lifeline, theirs],
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        finally:
            os.close(theirs)
        place.is_ready = False
        place.said = b""
        place.started_s = time.monotonic()

    def _reap(self) -> None:
        """Take note of what has ended. As process 1 of a container this one inherits others too."""
        by_pid = {place.child.pid: place for place in self._places if place.child is not None}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            place = by_pid.get(pid)
            if place is not None and place.child is not None:
                self._hear_ready(place)
                place.child.returncode = os.waitstatus_to_exitcode(status)
                self._ended(place, place.child)

    def _ended(self, place: Place, child: subprocess.Popen[bytes]) -> None:
        code = child.returncode
        place.child = None
        if place.ready is not None:
            os.close(place.ready)
            place.ready = None
        if self._stops:
            # One that did not listen yet when it was told has begun nothing, and ends by the signal itself.
            has_begun_nothing = code == -signal.SIGTERM and not place.is_ready
            self._code = self._code or (0 if has_begun_nothing else _shell_code(code))
        elif code == 0 and self._burst:
            place.is_done = True
        elif code in (0, STUCK, RECYCLED):
            logger.info("worker %d (pid %d) asked for a fresh process", place.number, child.pid)
            place.start_failures = place.quick_deaths = 0
        else:
            self._failed(place, child)

    def _failed(self, place: Place, child: subprocess.Popen[bytes]) -> None:
        lived_s = time.monotonic() - place.started_s
        place.start_failures = 0 if place.is_ready else place.start_failures + 1
        place.quick_deaths = 0 if lived_s >= _LONG_LIFE_S else place.quick_deaths + 1
        how = _ending(child.returncode)
        if place.start_failures >= _START_FAILURES:
            logger.error(
                "worker %d (pid %d) %s before it took a job, %d times in a row; giving up",
                place.number, child.pid, how, place.start_failures,
            )  # fmt: skip
            self._code = _shell_code(child.returncode)
            self._stop()
            return
        pause_s = min(2.0 ** max(0, place.quick_deaths - 1), _LONGEST_PAUSE_S) if place.quick_deaths else 0.0
        place.due_s = time.monotonic() + pause_s
        logger.error(
            "worker %d (pid %d) %s after %.0f s; starting another in %.0f s",
            place.number, child.pid, how, lived_s, pause_s,
        )  # fmt: skip

    # -- ending

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _hear(self) -> None:
        """Do what the signals since the last look ask for: two within a second are one, as for a worker."""
        asked, self._asked = self._asked, 0
        if asked and not self._stops:
            self._stop()
        elif asked and time.monotonic() - self._first_stop_s >= _SECOND_SIGNAL_S:
            self._stops += 1
            self._tell_all(signal.SIGTERM)

    def _stop(self) -> None:
        self._stops = 1
        self._first_stop_s = time.monotonic()
        self._tell_all(signal.SIGTERM)

    def _tell_all(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.child is not None:
                with suppress(ProcessLookupError):
                    os.kill(place.child.pid, number)

    def _insist(self, running: list[Place]) -> None:
        if time.monotonic() - self._first_stop_s < self._drain_s:
            return
        for place in running:
            assert place.child is not None
            logger.error("worker %d (pid %d) did not end and is killed", place.number, place.child.pid)
            with suppress(ProcessLookupError):
                os.kill(place.child.pid, signal.SIGKILL)

    # -- looking

    def _sleep(self) -> None:
        """Wait for a signal, the end of a child, a child that is ready, or the next thing that is due."""
        now = time.monotonic()
        due = [p.due_s - now for p in self._places if p.child is None and not p.is_done and not self._stops]
        pipes = [self._woken, *(place.ready for place in self._places if place.ready is not None)]
        if self._above is not None:
            pipes.append(self._above)
        readable, _, _ = select.select(pipes, [], [], max(0.0, min([_LOOK_S, *due])))
        if self._woken in readable:
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
        for place in self._places:
            if place.ready in readable:
                self._hear_ready(place)
        if self._above in readable:
            self._above = None
            self._asked += 1

    def _hear_ready(self, place: Place) -> None:
        if place.ready is None or not select.select([place.ready], [], [], 0)[0]:
            return
        said = os.read(place.ready, 4096)
        if TAKES_JOBS in said:
            place.is_ready = True
            place.start_failures = 0
        if said.strip(TAKES_JOBS):
            place.said, place.said_s = said.strip(TAKES_JOBS)[-1:], time.monotonic()
        if not said:
            os.close(place.ready)
            place.ready = None

    def _look_after_health(self) -> None:
        if self._health_file is None:
            return
        if all(place.is_done or self._is_healthy(place) for place in self._places):
            with open(self._health_file, "a"):
                os.utime(self._health_file)

    def _is_healthy(self, place: Place) -> bool:
        try:
            age_s = time.time() - os.stat(f"{self._health_file}.{place.number}").st_mtime
        except OSError:
            return False
        return place.child is not None and age_s < _HEALTHY_S

    # -- probes, in threads of their own

    def _answer_probes(self, fd: int) -> None:
        if __name__ == "__main__":
            sys.path.append(os.path.dirname(__file__))  # last: nothing there stands before the library's
            from probe import ProbeServer  # type: ignore[import-not-found]
        else:
            from upnext_django.management.probe import ProbeServer
        ProbeServer(socket.socket(fileno=fd), live=self.why_not_live, ready=self.why_not_ready).start()

    def why_not_live(self) -> str:
        """Return which worker, or this parent, should be restarted and why; "" for none.

        One that has ended is replaced from here, and one that starts has two minutes to say that it lives.
        """
        now = time.monotonic()
        if now - self._looked_s > _PARENT_HANGS_S:
            return f"the parent has stood still for {now - self._looked_s:.0f} s"
        for place in self._places:
            if place.child is None:
                continue
            if not place.said:
                if now - place.started_s > _START_S:
                    return f"worker {place.number} has not started in {now - place.started_s:.0f} s"
            elif now - place.said_s > _HEALTHY_S:
                return f"worker {place.number} has said nothing for {now - place.said_s:.0f} s"
            elif place.said == NOT_LIVE:
                return f"the event loop or the heartbeat of worker {place.number} stands still"
        return ""

    def why_not_ready(self) -> str:
        """Return which worker does not take jobs; "" while all do."""
        if why := self.why_not_live():
            return why
        if self._stops:
            return "the workers are stopping"
        for place in self._places:
            if place.child is None and not place.is_done:
                return f"worker {place.number} is not running"
            if place.child is not None and place.said != READY:
                return f"worker {place.number} takes no jobs, or Redis does not answer"
        return ""


def become_supervisor(**spec: Any) -> NoReturn:
    """Replace this process with a Supervisor's, see there for what it takes. Does not return."""
    # Unblocked by the supervisor when it hears them: one that comes in between waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, json.dumps(spec)])


def _shell_code(code: int) -> int:
    """Return an exit code as shells tell it: 128 and the signal of a killed process."""
    return code if code >= 0 else 128 - code


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


if __name__ == "__main__":
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr
    )
    exit_code = Supervisor(**json.loads(sys.argv[1])).run()
    for number in _SIGNALS:
        # Python puts the default back as it ends: one more signal would replace the exit code.
        signal.signal(number, signal.SIG_IGN)
    sys.exit(exit_code)
