"""Held connections: one command out, one reply in, and what to do when Redis is not there.

A link is used by one caller at a time. It repeats a call once on a new connection, since every
script is safe to repeat, and turns all that the library raises into ``RedisUnavailable``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from redis import exceptions as failures

from upnext_django.broker.patience import left_s
from upnext_django.broker.script import Call
from upnext_django.broker.url import async_settings, mask, sync_settings
from upnext_django.exceptions import RedisUnavailable

try:
    import hiredis
except ImportError:  # without the speed extra
    hiredis = None  # type: ignore[assignment]


__all__ = ["AsyncLink", "Command", "SyncLink", "pack", "refused"]

T = TypeVar("T")
Command = Sequence[bytes | str | int | float]

#: Answers that mean "not now" from a server that starts, fails over or lost its quorum.
_AWAY = (
    failures.ConnectionError,
    failures.TimeoutError,
    failures.ReadOnlyError,
    failures.MasterDownError,
    failures.ClusterDownError,
    failures.TryAgainError,
    OSError,
    asyncio.TimeoutError,
)
_TIMEOUT_S = 1.5
_CONNECT_S = 1.0
#: A call that failed sooner than this is sent once more; later the caller should know.
_REPEAT_WITHIN_S = 0.4


def pack(command: Command) -> bytes:
    """Return the command in the Redis protocol."""
    if hiredis is not None:
        packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]
        return packed
    out = [b"*%d\r\n" % len(command)]
    for part in command:
        data = part if isinstance(part, bytes) else str(part).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(out)


def _time_in_kernel(connected: Any, timeout_s: float) -> None:
    """Have the kernel end a read or write that takes too long.

    A socket that Python times is polled before each of them, two calls more of the kernel in each submit.
    What is no plain blocking socket underneath (TLS, gevent's, Windows') stays with Python's timeout.
    """
    if type(connected) is not socket.socket or sys.platform == "win32":
        connected.settimeout(timeout_s)
        return
    connected.settimeout(None)
    if not os.get_blocking(connected.fileno()):
        connected.settimeout(timeout_s)
        return
    # Nothing would be for ever.
    seconds, micros = divmod(max(1, int(timeout_s * 1_000_000)), 1_000_000)
    time_value = struct.pack("ll", seconds, micros)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time_value)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, time_value)


_SETTING = 'UPNEXT["REDIS_URL"] (or the environment variable UPNEXT_REDIS_URL)'
_NOT_YET = object()
_ERRORS: dict[str, type[failures.RedisError]] = {
    "NOSCRIPT": failures.NoScriptError,
    "NOAUTH": failures.AuthenticationError,
    "WRONGPASS": failures.AuthenticationError,
    "LOADING": failures.BusyLoadingError,
    "READONLY": failures.ReadOnlyError,
    "MASTERDOWN": failures.MasterDownError,
    "CLUSTERDOWN": failures.ClusterDownError,
    "TRYAGAIN": failures.TryAgainError,
    "OOM": failures.OutOfMemoryError,
}


def _reader() -> Any:
    return hiredis.Reader(replyError=_error, notEnoughData=_NOT_YET)


def _error(text: str) -> failures.RedisError:
    """Return the error reply as the library's own class for it."""
    return _ERRORS.get(text.partition(" ")[0], failures.ResponseError)(text)


def _unavailable(url: str, error: BaseException, doing: str) -> RedisUnavailable:
    reason = str(error) or type(error).__name__
    masked = mask(url)
    if isinstance(error, failures.OutOfMemoryError):
        return RedisUnavailable(
            f"Redis at {masked} has no memory left ({reason}) while {doing}. "
            "Raise its maxmemory, or let the workers empty the queues: they go on ending jobs.",
            url=masked,
        )
    what, way_out = _way_out(error)
    return RedisUnavailable(
        f"{what} Redis at {masked} ({reason.replace(url, masked)}) while {doing}. {way_out}", url=masked
    )


def _way_out(error: BaseException) -> tuple[str, str]:
    """Return what could not be done, and what helps."""
    if isinstance(error, failures.BusyLoadingError):
        return "Cannot use yet", "It reads its data after a start and answers when it has them: wait."
    if isinstance(error, failures.AuthenticationError):
        return "Not let in by", f"Correct user and password in {_SETTING}."
    if isinstance(error, (failures.TimeoutError, asyncio.TimeoutError)):
        return "Got no answer in time from", f"Look at its load (SLOWLOG, INFO), the network, and {_SETTING}."
    return "Could not reach", f"Start Redis, or set {_SETTING}."


def refused(url: str, error: failures.ResponseError, doing: str) -> RedisUnavailable:
    """Say what a server that is there will not do: out of memory or disk, too few replicas, no permission."""
    masked = mask(url)
    return RedisUnavailable(
        f"Redis at {masked} refused ({error}) while {doing}. Its log and INFO tell more.",
        url=masked,
        refused=True,
    )


class SyncLink:
    """A blocking connection. ``timeout_s`` bounds each read; a call that failed early is sent once more."""

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.url = url
        self.timeout_s = timeout_s
        cls, settings = sync_settings(url, connect_timeout_s=min(timeout_s, _CONNECT_S), timeout_s=timeout_s)
        self._connection = cls(**settings)
        self._waits_s = timeout_s
        self._reader = None if hiredis is None else _reader()

    def call(self, call: Call[T], *, doing: str = "talking to it") -> T:
        """Send the script and return its parsed reply."""
        try:
            try:
                reply = self.execute(call.command(), doing=doing)
            except failures.NoScriptError:
                reply = self.execute(call.full_command(), doing=doing)
        except failures.ResponseError as error:
            raise refused(self.url, error, doing) from error
        return call.parse(reply)

    def execute(self, command: Command, *, doing: str = "talking to it", repeat: bool = True) -> Any:
        packed = pack(command)
        deadline = time.monotonic() + _REPEAT_WITHIN_S
        while True:
            fresh = self._connection._sock is None
            try:
                self._bound()
                self.send(packed)
                return self.receive()
            except failures.OutOfMemoryError as error:
                raise _unavailable(self.url, error, doing) from error
            except _AWAY as error:
                self.close()
                # A connection that had idled may be dead on our side only; a new one knows.
                if fresh or not repeat or time.monotonic() > deadline:
                    raise _unavailable(self.url, error, doing) from error

    def _bound(self) -> None:
        """Wait no longer than the caller's patience() lasts. Raises TimeoutError if it is over."""
        left = left_s()
        waits_s = self.timeout_s if left is None else min(self.timeout_s, left)
        if waits_s == self._waits_s:
            return
        self._waits_s = waits_s
        connection = self._connection
        connection.socket_timeout = waits_s
        connection.socket_connect_timeout = min(waits_s, _CONNECT_S)
        if connection._sock is not None:
            self._time()

    def _time(self) -> None:
        if self._reader is None:
            self._connection._sock.settimeout(self._waits_s)
        else:
            _time_in_kernel(self._connection._sock, self._waits_s)

    def send(self, packed: bytes) -> None:
        connected = self._connection._sock
        if connected is None or self._reader is None:
            self._connection.send_packed_command([packed], check_health=False)
            if connected is None:
                self._time()
        else:
            try:
                connected.sendall(packed)
            except BlockingIOError as error:
                raise failures.TimeoutError("Timeout writing to socket") from error

    def receive(self) -> Any:
        """Read one reply. The library opens the connection; its reading costs 8 us more than this."""
        reader = self._reader
        if reader is None:
            return self._connection.read_response(disable_decoding=True)
        reply = reader.gets()
        while reply is _NOT_YET:
            try:
                data = self._connection._sock.recv(65536)
            except BlockingIOError as error:
                raise failures.TimeoutError("Timeout reading from socket") from error
            if not data:
                raise failures.ConnectionError("the server closed the connection")
            reader.feed(data)
            reply = reader.gets()
        if isinstance(reply, failures.ResponseError | failures.ConnectionError):
            raise reply
        return reply

    def pipeline(
        self, commands: Sequence[Command], *, doing: str = "talking to it", keep_errors: bool = False
    ) -> list[Any]:
        """Send commands in one write; errors in single replies are raised after all were read.

        With ``keep_errors`` they stand in the list instead.
        """
        packed = b"".join(pack(command) for command in commands)
        try:
            self._bound()
            self.send(packed)
            replies: list[Any] = []
            for _ in commands:
                try:
                    replies.append(self.receive())
                except failures.ResponseError as error:
                    replies.append(error)
        except _AWAY as error:
            self.close()
            raise _unavailable(self.url, error, doing) from error
        for reply in replies:
            if isinstance(reply, failures.ResponseError) and not keep_errors:
                raise reply
        return replies

    def close(self) -> None:
        with contextlib.suppress(OSError, failures.RedisError):
            self._connection.disconnect()
        # What was half read belongs to the old connection.
        self._reader = None if hiredis is None else _reader()


class AsyncLink:
    """A connection of one event loop. Calls queue up behind a lock; a cancelled one drops it."""

    def __init__(self, url: str) -> None:
        self.url = url
        cls, settings = async_settings(url, connect_timeout_s=_CONNECT_S)
        self._connection = cls(**settings)
        self._reader = None if hiredis is None else _reader()
        self._lock = asyncio.Lock()
        self._hung: tuple[float, str] = (0.0, "")

    async def call(self, call: Call[T], *, timeout_s: float = _TIMEOUT_S, doing: str = "talking to it") -> T:
        try:
            try:
                reply = await self.execute(call.command(), timeout_s=timeout_s, doing=doing)
            except failures.NoScriptError:
                reply = await self.execute(call.full_command(), timeout_s=timeout_s, doing=doing)
        except failures.ResponseError as error:
            raise refused(self.url, error, doing) from error
        return call.parse(reply)

    async def execute(
        self,
        command: Command,
        *,
        timeout_s: float = _TIMEOUT_S,
        doing: str = "talking to it",
        repeat: bool = True,
    ) -> Any:
        packed = pack(command)
        asked = time.monotonic()
        async with self._lock:
            hung_s, reason = self._hung
            if hung_s > asked:
                # The call before this one waited its whole time for nothing, and this one waited with it.
                raise _unavailable(self.url, failures.TimeoutError(reason), doing)
            deadline = time.monotonic() + _REPEAT_WITHIN_S
            while True:
                fresh = not self._connection.is_connected
                try:
                    async with asyncio.timeout(timeout_s):
                        return await self._exchange(packed)
                except failures.OutOfMemoryError as error:
                    raise _unavailable(self.url, error, doing) from error
                except _AWAY as error:
                    await self.close()
                    if time.monotonic() > deadline:
                        self._hung = (time.monotonic(), str(error) or type(error).__name__)
                    if fresh or not repeat or time.monotonic() > deadline:
                        raise _unavailable(self.url, error, doing) from error
                except asyncio.CancelledError:
                    # The reply may still come: it must not answer the next command.
                    await self.close()
                    raise

    async def _exchange(self, packed: bytes) -> Any:
        """Send a command and read its reply. As in SyncLink, only opening is the library's."""
        connection, reader = self._connection, self._reader
        if reader is None:
            await connection.send_packed_command([packed], check_health=False)
            return await connection.read_response(disable_decoding=True)
        if connection.is_connected:
            connection._writer.write(packed)
        else:
            await connection.send_packed_command([packed], check_health=False)
        reply = reader.gets()
        while reply is _NOT_YET:
            data = await connection._reader.read(65536)
            if not data:
                raise failures.ConnectionError("the server closed the connection")
            reader.feed(data)
            reply = reader.gets()
        if isinstance(reply, failures.ResponseError | failures.ConnectionError):
            raise reply
        return reply

    async def close(self) -> None:
        with contextlib.suppress(OSError, failures.RedisError):
            await self._connection.disconnect(nowait=True)
        # What was half read belongs to the old connection.
        self._reader = None if hiredis is None else _reader()
