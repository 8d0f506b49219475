"""The one blocking read of a process: endings for its waiters and orders for its worker.

A daemon thread reads all the process's streams with one XREAD. The last ids are kept, so a
reconnect loses nothing; what was read is trimmed in the same write as the next read.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from upnext_django.broker.link import Command, SyncLink
from upnext_django.exceptions import RedisUnavailable

__all__ = ["Mailbox"]

logger = logging.getLogger("upnext.mailbox")

_BLOCK_MS = 5000
Fields = dict[bytes, bytes]
Handler = Callable[[Fields], None]


class Mailbox:
    """Streams of this process alone, each with its handler. Starts with the first stream."""

    def __init__(self, url: str, nudge: Callable[[str], None]) -> None:
        self._url = url
        self._nudge = nudge
        self._lock = threading.Lock()
        self._handlers: dict[str, Handler] = {}
        self._last: dict[str, bytes] = {}
        self._trims: list[Command] = []
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def open(self, key: str, handler: Handler) -> None:
        """Read ``key`` too, from its beginning: it is ours alone. A second open changes nothing."""
        if key in self._handlers:
            return
        with self._lock:
            if key in self._handlers:
                return
            watched = next(iter(self._handlers), None)
            self._handlers[key] = handler
            self._last[key] = b"0-0"
            if self._thread is None or self._closed.is_set():
                self._closed = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._closed,), name="upnext-mailbox", daemon=True
                )
                self._thread.start()
                return
        self._wake(watched)

    def shut(self, key: str) -> None:
        """Read ``key`` no more."""
        with self._lock:
            self._handlers.pop(key, None)
            self._last.pop(key, None)

    def close(self) -> None:
        """Stop reading; returns at once, the thread ends with its read. ``open`` begins anew."""
        with self._lock:
            self._closed.set()
            watched = next(iter(self._handlers), None)
            self._handlers.clear()
            self._last.clear()
        self._wake(watched)

    def join(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _wake(self, watched: str | None) -> None:
        """Have the thread look at the new list of streams: an entry in one of the old ones ends its read.

        With Redis away the read has broken off too. Nobody fails by that: a worker that starts goes on.
        """
        if watched is not None:
            with suppress(RedisUnavailable):
                self._nudge(watched)

    def _run(self, closed: threading.Event) -> None:
        link = SyncLink(self._url, timeout_s=_BLOCK_MS / 1000 + 5)
        pause = 0.05
        while not closed.is_set():
            try:
                self._read(link)
            except RedisUnavailable as error:
                logger.warning("mailbox: %s Trying again in %.2f s.", error, pause)
            except Exception:
                # An entry that cannot be read is behind us: its id was kept before it was looked at.
                logger.exception("mailbox: this read failed. Going on in %.2f s.", pause)
            else:
                pause = 0.05
                continue
            closed.wait(pause)
            pause = min(pause * 2, 2.0)
        link.close()

    def _read(self, link: SyncLink) -> None:
        with self._lock:
            last = dict(self._last)
        if not last:
            self._closed.wait(0.1)
            return
        read: Command = [b"XREAD", b"COUNT", 500, b"BLOCK", _BLOCK_MS, b"STREAMS", *last, *last.values()]
        trims, self._trims = self._trims, []
        if trims:
            reply = link.pipeline([*trims, read], doing="waiting for replies")[-1]
        else:
            reply = link.execute(read, doing="waiting for replies")
        if not reply:
            return
        for raw_key, entries in reply:
            key = raw_key.decode()
            handler = self._handlers.get(key)
            if handler is None:
                continue
            for entry_id, fields in entries:
                if key in self._last:
                    self._last[key] = entry_id
                pairs = dict(zip(fields[::2], fields[1::2], strict=True))
                if b"nudge" not in pairs:
                    handler(pairs)
            self._trims.append([b"XTRIM", key, b"MINID", _after(entries[-1][0])])


def _after(entry_id: bytes) -> str:
    ms, _, n = entry_id.partition(b"-")
    return f"{ms.decode()}-{int(n) + 1}"
