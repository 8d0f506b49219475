"""The processes that the demo starts, and stops by their own handles."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from example_project.demo.failure import DemoFailed

__all__ = ["Child", "running", "until"]

_MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
_STOP_S = 15.0
_POLL_S = 0.05
_SHOWN_LINES = 15


class Child:
    """One management command in a process of its own; what it prints goes to ``log``."""

    def __init__(self, title: str, command: list[str], log: Path) -> None:
        self.title = title
        self.log = log
        with log.open("wb") as output:
            # In a session of its own: Ctrl-C reaches the demo, which stops its children in order.
            self._process = subprocess.Popen(
                [sys.executable, "-u", str(_MANAGE), *command],
                cwd=_MANAGE.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise DemoFailed, with the end of its log, if the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoFailed(f"the {self.title} ended with code {code}.\n{self.log_end()}")

    def stop(self) -> None:
        """End the process: ask, wait, and after 15 s insist."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_end(self) -> str:
        """Return the last lines of what the process printed, and where the rest is."""
        lines = self.log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
        return "\n".join([f"The end of {self.log}:", *(f"  {line}" for line in lines)])


@contextmanager
def running(*children: tuple[str, list[str], Path]) -> Iterator[list[Child]]:
    """Start the children, each given as Child's arguments; stop all that were started on the way out."""
    started: list[Child] = []
    try:
        for title, command, log in children:
            started.append(Child(title, command, log))
        yield started
    finally:
        for child in reversed(started):
            child.stop()


def until(condition: Callable[[], bool], what: str, children: list[Child], *, seconds: float = 30.0) -> None:
    """Wait until ``condition`` holds. Raises DemoFailed if a child ends or ``seconds`` are over."""
    deadline = time.monotonic() + seconds
    while not condition():
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            logs = "\n".join(child.log_end() for child in children)
            raise DemoFailed(f"after {seconds:g} s {what} has not happened.\n{logs}")
        time.sleep(_POLL_S)
