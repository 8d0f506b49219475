"""A process of a pool, as its worker sees it: started, talked to, killed.

Each has a process group of its own: Ctrl-C at a terminal is the worker's to hear, and a kill takes along
what the function started.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.context import SpawnProcess

import msgspec

from upnext_django.exceptions import UpNextError
from upnext_django.runtime.pool import messages
from upnext_django.runtime.pool.messages import FromChild, ToChild
from upnext_django.runtime.pool.order import Order

__all__ = ["Child", "ChildFailed"]

_SPAWN = multiprocessing.get_context("spawn")
_START_S = 120.0
_CLOSE_S = 2.0
#: multiprocessing looks after all its children at each start, from whatever thread.
_lock = threading.Lock()
_alive: set[Child] = set()


class ChildFailed(UpNextError):
    """A process of the pool did not come up."""


class Child:
    """One process. Used by one thread; ``send`` and ``kill`` by any."""

    def __init__(self, order: Order, name: str) -> None:
        from upnext_django.runtime.pool.serve import serve

        self._channel, theirs = _SPAWN.Pipe()
        self._writing = threading.Lock()
        self._process: SpawnProcess = _SPAWN.Process(target=serve, args=(theirs, order), name=name)
        try:
            with _lock:
                self._process.start()
                _alive.add(self)
        finally:
            # Ours would keep the pipe open when the child has died.
            theirs.close()
        self.pid = self._process.pid or 0

    def wait_until_ready(self) -> None:
        """Return when the functions are imported there. Raises ChildFailed, with the reason, if it dies."""
        until = time.monotonic() + _START_S
        reason = f"it was not ready after {_START_S:.0f} s"
        while time.monotonic() < until:
            try:
                message = self.receive(0.5)
            except EOFError:
                self.kill()
                reason = f"it {self.ending}"
                break
            if isinstance(message, messages.Ready):
                return
            if isinstance(message, messages.Failed):
                reason = message.text
                break
        self.kill()
        raise ChildFailed(f"A process for sync tasks (pid {self.pid}) did not start: {reason}")

    def send(self, message: ToChild) -> None:
        """Say something to it. One that has died hears nothing: receive() tells."""
        with self._writing, suppress(OSError):
            self._channel.send_bytes(messages.encode(message))

    def receive(self, timeout_s: float) -> FromChild | None:
        """Return its next message, None if none comes in time. Raises EOFError when it has died."""
        try:
            if not self._channel.poll(timeout_s):
                # The pipe alone does not tell: something that the function started may hold its end.
                if self.is_alive() or self._channel.poll(0):
                    return None
                raise EOFError
            message: FromChild = messages.decode_from_child(self._channel.recv_bytes())
        except (OSError, msgspec.MsgspecError):
            # Nonsense comes only from a function that wrote into the pipe: nothing more can be said there.
            raise EOFError from None
        return message

    def is_alive(self) -> bool:
        """Whether the process runs."""
        with _lock:
            return self._process.is_alive()

    def kill(self) -> None:
        """End it, and what it started, at once; returns when it is gone."""
        with _lock:
            if self._process.is_alive():
                # Before it has made its group, only the process itself can be named.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
                self._process.kill()
        self._process.join()
        self._forget()

    def close(self) -> None:
        """Let it end; kill it if it does not within 2 s."""
        self.send(messages.Close())
        self._process.join(_CLOSE_S)
        self.kill()

    def _forget(self) -> None:
        with _lock:
            _alive.discard(self)
        self._channel.close()

    @property
    def ending(self) -> str:
        """How it died, for a log line."""
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        return f"was killed by {signal.Signals(-code).name}"


@atexit.register
def _kill_all() -> None:
    # Before multiprocessing's own exit handler, which waits for its children without end.
    for child in list(_alive):
        child.kill()
