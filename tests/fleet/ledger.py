"""What the tasks under test tell the test, and the gates by which the test holds them.

Both sides share a folder: a task appends lines to a file of it (one O_APPEND write, so that lines of
several processes do not mix), and waits until a file appears.

A kill can cut a line all the same: between two pages of the file the kernel looks for it. So each line
begins on its own and ends with a mark, and what has no mark was not said.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_until
from upnext_django import get_current_context

__all__ = ["FOLDER", "Ledger", "Line", "note", "pass_gate", "pass_gate_sync", "said"]

#: The environment variable that names the shared folder to a worker process.
FOLDER = "UPNEXT_TEST_FOLDER"
_LINES = "ledger"
_END = "."
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that one attempt said: a word, and which attempt in which process said it."""

    word: str
    job_id: str
    attempt: int
    pid: int


class Ledger:
    """The test's side of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / _LINES
        self._path.touch()

    def lines(self, word: str | None = None) -> list[Line]:
        """Return what was said, in order; only ``word`` if it is given."""
        parts = (line.split() for line in self._path.read_text().splitlines())
        whole = (part for part in parts if part[-1:] == [_END])
        told = [Line(said, job_id, int(attempt), int(pid)) for said, job_id, attempt, pid, _ in whole]
        return [line for line in told if word in (None, line.word)]

    def count(self, word: str) -> int:
        """Return how often ``word`` was said."""
        return len(self.lines(word))

    def jobs(self, word: str) -> set[str]:
        """Return the jobs that said ``word``, however often."""
        return {line.job_id for line in self.lines(word)}

    def wait_for(self, word: str, number: int, timeout: float = 10.0) -> None:
        """Wait until ``word`` was said ``number`` times."""
        wait_until(lambda: self.count(word) >= number, f"{number} times {word!r} was said", timeout)

    def words(self) -> list[str]:
        """Return the words alone, in order."""
        return [line.word for line in self.lines()]

    def open(self, gate: str) -> None:
        """Let the tasks pass that wait at ``gate``, and those that come later."""
        (self.folder / f"gate-{gate}").touch()


def note(word: str) -> None:
    """Say ``word``: the job is known from the context. In tasks only."""
    ctx = get_current_context()
    line = f"\n{word} {ctx.job_id} {ctx.attempt} {os.getpid()} {_END}\n".encode()
    descriptor = os.open(_folder() / _LINES, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def said() -> list[str]:
    """Return all words so far. In tasks only."""
    return Ledger(_folder()).words()


async def pass_gate(gate: str) -> None:
    """Wait until the test opens ``gate``. In async tasks."""
    while not (_folder() / f"gate-{gate}").exists():  # noqa: ASYNC110  # opened by another process
        await asyncio.sleep(_LOOK_S)


def pass_gate_sync(gate: str) -> None:
    """See pass_gate(). In sync tasks."""
    while not (_folder() / f"gate-{gate}").exists():
        time.sleep(_LOOK_S)


def _folder() -> Path:
    return Path(os.environ[FOLDER])
