"""The embedded Valkey as its clients see it: one server per project folder, shared by its processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from upnext_django.embedded import binary, guard
from upnext_django.exceptions import RedisUnavailable

if sys.platform != "win32":
    import fcntl

__all__ = ["EmbeddedValkey"]

_DOOR = "door.lock"  # exclusive: a process that comes in; two at once start one server
_SOCKET = "valkey.sock"
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 104 on macOS and 108 on Linux
_START_TIMEOUT_S = 40.0  # longer than the guard's own, which knows better what is wrong


class EmbeddedValkey:
    """The development server of the project in ``folder``; its data is in ``folder/.upnext``.

    Any number of processes and threads may hold an object for the same folder: the first ``ensure()``
    starts the server, the others share it, and it ends with the last process that uses it, whether that
    process called ``release()``, ended or was killed. Forked children count as processes of their own.
    The server listens on a Unix socket alone and keeps its data in an append-only file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve() / ".upnext"
        self._append_only = True
        self._membership: int | None = None  # a descriptor that holds the shared lock

    @classmethod
    def ephemeral(cls, folder: Path) -> EmbeddedValkey:
        """Return a server that forgets everything when it ends. For tests."""
        server = cls(folder)
        server._append_only = False
        return server

    def ensure(self) -> str:
        """Return the server's URL, ``unix:///path``, after starting it if it is not running.

        May be called as often as you like; it costs one connection then, and starts the server again if it
        was killed. Waits for a server that is loading its data. Raises RedisUnavailable if the server
        cannot be started, with the end of its log.
        """
        program = binary.find(_url(self.folder / _SOCKET))
        self._lay_out()
        with self._door():
            if self._membership is None:
                self._membership = self._join()
            if not self._is_running():
                self._start(program)
            return _url(self._recorded_socket())

    def release(self) -> None:
        """Stop using the server; it ends soon after if nobody else does. Ending the process does the same."""
        membership, self._membership = self._membership, None
        if membership is not None:
            # Closed, never unlocked: a forked child shares this lock with its parent.
            os.close(membership)

    def _lay_out(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / ".gitignore").write_text("*\n")
            (self.folder / guard.GUARD_LOCK).touch()
        except OSError as error:
            raise RedisUnavailable(
                f"The development server keeps its data in {self.folder}, which cannot be written ({error}); "
                "nothing was queued. Make it writable, or set UPNEXT['REDIS_URL'].",
                url=_url(self.folder / _SOCKET),
            ) from error

    @contextmanager
    def _door(self) -> Iterator[None]:
        with (self.folder / _DOOR).open("ab") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            try:
                yield
            finally:
                # Unlocked, not only closed: a child forked meanwhile has a copy and would keep it shut.
                fcntl.flock(door, fcntl.LOCK_UN)

    def _join(self) -> int:
        """Take the lock that keeps the server alive; waits while a guard is ending it."""
        descriptor = os.open(self.folder / guard.CLIENTS_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def _is_running(self) -> bool:
        """Return whether a guard is alive and its server listens. One that is only slow does."""
        with (self.folder / guard.GUARD_LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                link = guard.connect(str(self._recorded_socket()))
                if link is not None:
                    link.close()
                    return True
        return False

    def _recorded_socket(self) -> Path:
        """Return the socket that the guard wrote down; processes may differ in what their temp folder is."""
        return Path(os.fsdecode((self.folder / guard.GUARD_LOCK).read_bytes()))

    def _socket_path(self) -> Path:
        path = self.folder / _SOCKET
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        # Others may write to the temp folder: only a folder that is ours and closed to them will do.
        private = Path(tempfile.gettempdir()) / f"upnext-{os.getuid()}"
        private.mkdir(mode=0o700, exist_ok=True)
        state = private.lstat()
        if state.st_uid != os.getuid() or state.st_mode & 0o777 != 0o700 or private.is_symlink():
            raise RedisUnavailable(
                f"{private} must be a folder of this user that nobody else can enter (mode 700); "
                "nothing was queued. Remove it, or set UPNEXT['REDIS_URL'].",
                url=_url(private),
            )
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return private / f"{digest}.sock"

    def _start(self, program: Path) -> None:
        socket_path = str(self._socket_path())
        command = [str(program), *self._options(socket_path)]
        with (self.folder / guard.LOG).open("ab") as log:
            log_start = log.tell()
            try:
                ended = subprocess.run(
                    # Isolated and without site-packages: it starts in 20 ms whatever is installed.
                    [sys.executable, "-I", "-S", guard.__file__, str(self.folder), socket_path, *command],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in a terminal is for the clients, not for the server
                    timeout=_START_TIMEOUT_S,
                    check=False,
                )
                code: int | str = ended.returncode
            except subprocess.TimeoutExpired:
                code = "timeout"
        if code != 0:
            raise RedisUnavailable(
                f"The development server did not start ({code}); nothing was queued. "
                f"Its log {self.folder / guard.LOG} ends with:\n{self._log_since(log_start)}",
                url=_url(Path(socket_path)),
            )

    def _options(self, socket_path: str) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": socket_path,
            "unixsocketperm": "700",
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "logfile": "",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _log_since(self, position: int) -> str:
        with (self.folder / guard.LOG).open("rb") as log:
            log.seek(position)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-5:])


def _url(socket_path: Path) -> str:
    return f"unix://{quote(os.fsencode(socket_path))}"
