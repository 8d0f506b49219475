"""A project folder and the processes that use its embedded Valkey."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import redis

from tests.waiting import wait_until
from upnext_django.embedded import guard

__all__ = ["Client", "is_ended", "server_info", "wait_until_ended", "wait_until_unguarded"]

#: Says where the server is, then keeps using it until its input is closed.
_PROGRAM = """
import sys
from pathlib import Path
from upnext_django.embedded import EmbeddedValkey

print(EmbeddedValkey(Path(sys.argv[1])).ensure(), flush=True)
sys.stdin.read()
"""


class Client:
    """A process of the project in ``folder`` that uses its server."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        """Return the server's URL as soon as the process has it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def leave(self) -> None:
        """End in the ordinary way."""
        self._process.communicate()

    def kill(self) -> None:
        """End without a chance to tidy up; does nothing if it has ended."""
        self._process.kill()
        self._process.communicate()


def server_info(url: str) -> dict[str, Any]:
    """Return what the server at ``url`` says of itself, ``run_id`` and ``process_id`` among it."""
    with redis.Redis.from_url(url) as client:
        info: dict[str, Any] = client.info("server")
    return info


def wait_until_unguarded(folder: Path) -> None:
    """Wait until no guard is at work in ``folder`` or below it."""
    for path in folder.rglob(guard.GUARD_LOCK):
        with path.open("ab") as lock:
            wait_until(lambda: _can_lock(lock), "the guard has ended")


def _can_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_ended(url: str) -> bool:
    """Return whether nobody listens at ``url`` any more."""
    with redis.Redis.from_url(url) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            return True
    return False


def wait_until_ended(url: str) -> None:
    """Wait until nobody listens at ``url`` any more."""
    wait_until(lambda: is_ended(url), "the server has ended")
