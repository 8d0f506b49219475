"""That something changed: one look a second in a process, told to all who wait for it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import Final

from upnext_django.connection import get_broker
from upnext_django.exceptions import RedisUnavailable

__all__ = ["AWAY", "cursors"]

#: The cursor while Redis does not answer.
AWAY: Final = "away"

_LOOK_S = 1.0


async def cursors(*, silence_s: float) -> AsyncGenerator[str | None, None]:
    """Yield the id of the newest move in the history at once, then each time it is another one.

    None after ``silence_s`` seconds without one. AWAY stands for an id while Redis does not answer.
    All callers on one loop share one look a second; what happens within it is told once.
    """
    loop = asyncio.get_running_loop()
    look = _looks.get(loop)
    if look is None:
        look = _looks[loop] = _Look()
    seen: str | None = None
    with look:
        while True:
            try:
                seen = await asyncio.wait_for(look.after(seen), silence_s)
            except TimeoutError:
                yield None
            else:
                yield seen


class _Look:
    """The newest cursor of one loop, looked up while somebody wants to know it."""

    def __init__(self) -> None:
        self._cursor: str | None = None
        self._changed = asyncio.Event()
        self._callers = 0
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._callers += 1
        # It has ended also where the settings had a mistake; the next caller tries again.
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="upnext-changes")

    def __exit__(self, *_: object) -> None:
        self._callers -= 1
        if not self._callers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._cursor = None

    async def after(self, seen: str | None) -> str:
        """Return the cursor as soon as it is not ``seen``."""
        while self._cursor is None or self._cursor == seen:
            await self._changed.wait()
        return self._cursor

    async def _run(self) -> None:
        while True:
            try:
                cursor = await get_broker().feed.newest()
            except RedisUnavailable:
                cursor = AWAY
            if cursor != self._cursor:
                self._cursor = cursor
                self._changed.set()
                self._changed = asyncio.Event()
            await asyncio.sleep(_LOOK_S)


_looks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Look] = weakref.WeakKeyDictionary()
