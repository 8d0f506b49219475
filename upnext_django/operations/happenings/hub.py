"""The one reader of the feed in a process, and the newest happenings that all who follow share."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from upnext_django.broker.feed import FeedEntry
from upnext_django.connection import get_broker
from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations.happenings.happening import Happening, Position, make, position_of
from upnext_django.operations.happenings.lineage import Lineage
from upnext_django.operations.happenings.wanted import Batch

__all__ = ["Hub", "current_hub"]

logger = logging.getLogger("upnext.stream")

T = TypeVar("T")

#: Who is further behind reads from Redis, so memory does not grow with slow clients.
_KEPT: Final = 10_000
_ENTRIES_A_READ: Final = 1_000
#: What comes within this time is sent at once: with 200 clients it is what keeps a core free.
_PACE_S: Final = 0.1
_WAIT_S: Final = 1.0
_AGAIN_S: Final = 1.0


def current_hub() -> Hub:
    """Return the running loop's hub."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub


class Hub:
    """Reads while somebody follows: ``async with hub``. What all share is made once, whoever follows."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._kept = 0
        self._lineage = Lineage()
        self._changed = asyncio.Event()
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._reading_back = asyncio.Semaphore(2)
        #: Up to where is read; None until the feed has been asked.
        self.position: Position | None = None

    async def __aenter__(self) -> Hub:
        self._followers += 1
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="upnext-stream")
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="upnext-stream")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._followers -= 1
        if self._followers:
            return
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._threads is not None:
            self._threads.submit(connections.close_all)
            self._threads.shutdown(wait=False)
            self._threads = None
        self._batches.clear()
        self._kept = 0
        self._lineage = Lineage()
        self.position = None

    # -- for who follows

    async def change(self, wait_s: float) -> None:
        """Return when there is more, at the latest after ``wait_s`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    def after(self, position: Position) -> list[Batch] | None:
        """Return what is kept after ``position``; None if it lies further back."""
        if self.position is not None and position >= self.position:
            return []
        if not self._batches or position < self._batches[0].before:
            return None
        return [batch for batch in self._batches if batch.last > position]

    async def read_back(self, position: Position) -> tuple[Batch | None, bool]:
        """Read what came after ``position`` from Redis, and whether anything before that is lost.

        None: there is nothing more. Raises RedisUnavailable, DatabaseError.
        """
        entry = f"{position[0]}-{position[1]}"
        async with self._reading_back:
            entries = await get_broker().feed.since(entry, most=_ENTRIES_A_READ)
            lost = bool(entries) and entry != "0-0" and entries[0].id != entry
            lineage = Lineage()
            made = await self._made(entries, lineage)
        found = [one for one in made if one.position > position]
        # Whole entries are read, so the last one is the end also where it had nothing that could be told.
        return (Batch(position, position_of(entries[-1].id), found) if entries else None), lost

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run what asks the database in the hub's own thread."""
        assert self._threads is not None
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_connections, call)

    # -- reading

    async def _run(self) -> None:
        follower = get_broker().feed.follower()
        unread: list[FeedEntry] = []
        complained = False
        try:
            while True:
                try:
                    if self.position is None:
                        self.position = position_of(await get_broker().feed.newest())
                        self._tell()
                    if not unread:
                        entry = f"{self.position[0]}-{self.position[1]}"
                        unread = await follower.after(entry, most=_ENTRIES_A_READ, wait_s=_WAIT_S)
                    if unread:
                        await self._take(unread)
                        unread = []
                        await asyncio.sleep(_PACE_S)
                    complained = False
                except (RedisUnavailable, DatabaseError, InterfaceError) as error:
                    if not complained:
                        logger.warning("events are not streamed for now: %s", error)
                    complained = True
                    await asyncio.sleep(_AGAIN_S)
        finally:
            await follower.close()

    async def _take(self, entries: Sequence[FeedEntry]) -> None:
        assert self.position is not None
        found = await self._made(entries, self._lineage)
        self._lineage.forget_ended(entries)
        last = position_of(entries[-1].id)
        self._batches.append(Batch(self.position, last, found))
        self._kept += len(found)
        while len(self._batches) > 1 and self._kept > _KEPT:
            self._kept -= len(self._batches.popleft().happenings)
        self.position = last
        self._tell()

    async def _made(self, entries: Sequence[FeedEntry], lineage: Lineage) -> list[Happening]:
        unknown = lineage.note(entries)
        if unknown:
            await self.in_thread(lambda: lineage.look_up(unknown))
        found = []
        for entry in entries:
            ms, number, _ = position_of(entry.id)
            for place, move in enumerate(entry.moves):
                function, root_id = lineage.of(move.job_id)
                found.append(
                    make(move, (ms, number, place), queue=entry.queue, function=function, root_id=root_id)
                )
        return found

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _with_connections(call: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return call()
    except (DatabaseError, InterfaceError):
        connections.close_all()
        raise


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()
