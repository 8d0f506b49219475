"""The guard: a small process that starts the embedded Valkey and ends it after the last client.

Run as a script with nothing but the standard library, so that it is small and quick to start. Every
client process holds a shared lock on ``clients.lock``; the guard waits for the exclusive one. The kernel
drops a lock with its process, so a client that is killed or whose terminal is closed counts as gone too,
which an exit handler in the client could not promise.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

__all__ = ["CLIENTS_LOCK", "GUARD_LOCK", "LOG", "connect"]

CLIENTS_LOCK = "clients.lock"  # shared: a process that uses the server
GUARD_LOCK = "guard.lock"  # exclusive: the guard; its content is the path of the socket
LOG = "valkey.log"

_START_TIMEOUT_S = 30.0  # a large append-only file takes seconds to load
_POLL_S = 0.005


def connect(socket_path: str) -> socket.socket | None:
    """Return a connection to the server on ``socket_path``, None if nobody listens there."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(1.0)
    try:
        link.connect(socket_path)
    except OSError:
        link.close()
        return None
    return link


def _ping(link: socket.socket) -> bytes:
    """Return the first line of the answer; b"" if there is none. While data is read it is -LOADING."""
    try:
        link.sendall(b"PING\r\n")
        return link.recv(4096).partition(b"\r\n")[0]
    except OSError:
        return b""


def _take_over(lock: IO[bytes], deadline: float) -> None:
    """Become the guard of the folder; ends this process if another is one and its server answers.

    The other may have just lost its server and be on its way out, or may still be starting one for a
    client that was killed meanwhile.
    """
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            link = connect(os.fsdecode(lock.read()))
            if link is not None and _ping(link) == b"+PONG":
                raise SystemExit(0) from None
        else:
            return
        time.sleep(_POLL_S)
    raise SystemExit("another guard holds the folder, but its server does not answer")


def _start(socket_path: str, command: list[str], deadline: float) -> socket.socket:
    """Start the server, unless one is running, and return a connection that it answers on."""
    server = None
    link = connect(socket_path)
    if link is None:
        # Left behind by a server that was killed: nobody listens, and a new one could not bind.
        Path(socket_path).unlink(missing_ok=True)
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while time.monotonic() < deadline:
        if link is None:
            link = connect(socket_path)
        elif _ping(link) == b"+PONG":
            return link
        if server is not None and server.poll() is not None:
            raise SystemExit(f"valkey-server ended with code {server.returncode}")
        time.sleep(_POLL_S)
    if server is not None:
        server.kill()
    raise SystemExit(f"valkey-server did not answer within {_START_TIMEOUT_S:.0f} seconds")


def _end_when_alone(folder: Path, links: list[socket.socket]) -> None:
    with (folder / CLIENTS_LOCK).open("ab") as clients:
        fcntl.flock(clients, fcntl.LOCK_EX)
        # A client that comes now waits for this lock until the server has gone.
        told = None
        while True:
            link = links[-1]
            if link is not told:  # one that was killed is followed by another
                told = link
                with suppress(OSError):
                    link.sendall(b"SHUTDOWN NOSAVE FORCE\r\n")
            time.sleep(_POLL_S)


def _listen(link: socket.socket) -> None:
    """Return when the connection has ended."""
    link.settimeout(None)
    try:
        while link.recv(4096):
            pass
    except OSError:
        return


def main(folder: Path, socket_path: str, command: list[str]) -> None:
    """Start the server and return in the caller's process; go on as a daemon until it has ended."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    with (folder / GUARD_LOCK).open("r+b") as lock:
        _take_over(lock, deadline)
        lock.seek(0)
        lock.truncate()
        lock.write(os.fsencode(socket_path))
        lock.flush()
        links = [_start(socket_path, command, deadline)]
        if os.fork():
            os._exit(0)
        threading.Thread(target=_end_when_alone, args=(folder, links), daemon=True).start()
        # The connection ends with the server, however that ends, and then so does the guard. It may also
        # be killed alone (CLIENT KILL): a server without its guard would never end.
        while True:
            _listen(links[-1])
            again = connect(socket_path)
            if again is None:
                return
            links.append(again)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
