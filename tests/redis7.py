"""The Redis 7.0 of Debian 12, for the tests marked ``redis7``: the oldest server that is promised to do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.waiting import wait_until

__all__ = ["running_redis7"]


@contextmanager
def running_redis7(folder: Path) -> Iterator[str]:
    """Start the ``redis-server`` of PATH on a Unix socket in ``folder`` and give its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError(
            "There is no redis-server on PATH; tests marked redis7 need Redis 7.0 (apt-get install "
            "redis-server on Debian 12). Deselect them with -m 'not redis7'."
        )
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen([program, *options], cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: server.poll() is not None or _answers(socket), "redis-server answers")
        if server.poll() is not None:
            raise RuntimeError(f"redis-server ended: {(folder / 'redis.log').read_text()}")
        yield f"unix://{socket}"
    finally:
        server.terminate()
        server.wait()


def _answers(socket: Path) -> bool:
    with redis.Redis(unix_socket_path=str(socket)) as client:
        try:
            return client.ping() is True
        except redis.ConnectionError:
            return False
