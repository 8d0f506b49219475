"""The process's connections: a stack for sync callers, one client per running loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import AbstractContextManager

from redis.exceptions import ResponseError

from upnext_django.broker.link import AsyncLink, SyncLink, refused

__all__ = ["Clients"]

_MOST_IDLE = 32


class Clients:
    """Hands out held connections. A forked child starts with none: sockets are not shared."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._idle: list[SyncLink] = []
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncLink] = (
            weakref.WeakKeyDictionary()
        )
        _every.add(self)

    def sync(self) -> AbstractContextManager[SyncLink]:
        """Lend a connection to one thread; the most recently used first.

        What the server will not do, and nobody inside expects, is RedisUnavailable to who is outside.
        """
        return _Lent(self)

    def borrow(self) -> SyncLink:
        """See sync(); give it back, closed if anything went wrong."""
        try:
            return self._idle.pop()
        except IndexError:
            return SyncLink(self.url)

    def give_back(self, link: SyncLink) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(link)
        else:
            link.close()

    def current(self) -> AsyncLink:
        """Return the running loop's connection."""
        loop = asyncio.get_running_loop()
        link = self._loops.get(loop)
        if link is None:
            link = self._loops[loop] = AsyncLink(self.url)
            self._close_with(loop, link)
        return link

    def _close_with(self, loop: asyncio.AbstractEventLoop, link: AsyncLink) -> None:
        """Close the connection when the loop cancels its tasks, which is how loops end."""

        async def keep() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                # The link knows its loop, so the weak key alone would keep both for ever.
                self._loops.pop(loop, None)
                await link.close()

        task = loop.create_task(keep(), name="upnext-link")
        _keepers.add(task)
        task.add_done_callback(_keepers.discard)

    def forget(self) -> None:
        """Drop all without a word to the server (after a fork the sockets are the parent's)."""
        self._idle = []
        self._loops = weakref.WeakKeyDictionary()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Lent:
    """One connection for one block. A class: a generator would cost each submit a microsecond more."""

    __slots__ = ("_clients", "_link")

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def __enter__(self) -> SyncLink:
        self._link = self._clients.borrow()
        return self._link

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            # A reply may still be on its way: it must not answer the next borrower's command.
            self._link.close()
        self._clients.give_back(self._link)
        if isinstance(error, ResponseError):
            raise refused(self._clients.url, error, "talking to it") from error


_keepers: set[asyncio.Task[None]] = set()
_every: weakref.WeakSet[Clients] = weakref.WeakSet()


def _forget_all() -> None:
    for clients in list(_every):
        clients.forget()


os.register_at_fork(after_in_child=_forget_all)
