"""A Valkey of one test that may be killed: what it confirmed is in its file."""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import redis

from tests.waiting import wait_until
from upnext_django.embedded import binary

__all__ = ["DurableServer", "free_port"]

# Below those from 32768 on, which any connection is given; each process of a run begins elsewhere.
_FIRST_PORT, _PORTS = 10_000, 22_000
_numbers = itertools.count(100 * os.getpid())


class DurableServer:
    """A server with a password and an append-only file that is written before each answer."""

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_hex(8)
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self._port}/0"

    @property
    def url_masked(self) -> str:
        return f"redis://:***@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, with the data it had, and wait until it answers."""
        options = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "requirepass": self.password,
            "appendonly": "yes",
            "appendfsync": "no",  # a crash of the server alone loses nothing that was written
            "save": "",
            "dir": str(self._folder),
            "logfile": "server.log",
        }
        program = str(binary.find(self.url_masked))
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([program, *words], cwd=self._folder, stdout=subprocess.DEVNULL)
        wait_until(self._answers, "the server answers", 60.0)

    def kill(self) -> None:
        """End it as a crash does (-9)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Keep its connections open and answer nothing, as behind a dead network."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo freeze()."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return client.ping() is True
            except (redis.ConnectionError, redis.BusyLoadingError):
                return False


def free_port() -> int:
    """Return a port of this machine that nothing hears, and that nobody else is given meanwhile."""
    while True:
        port = _FIRST_PORT + next(_numbers) % _PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
