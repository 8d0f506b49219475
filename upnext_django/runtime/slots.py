"""How many jobs of one Worker run at once. Loop thread only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

__all__ = ["Slots"]


class Slots:
    """A counted limit whose waiting re-entrants go before new claims.

    A parent that waits for children gives its slot back; when its wait is over it takes the next
    one that frees, so slot holders never wait and a tree of any depth runs with one slot.
    """

    def __init__(self, capacity: int, freed: Callable[[], None]) -> None:
        self.capacity = capacity
        self.used = 0
        self._freed = freed
        self._returning: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        return self.capacity - self.used

    def take(self) -> None:
        """Use a free slot; the caller has seen that there is one."""
        self.used += 1

    def release(self) -> None:
        """Give a slot to whoever comes back from a wait, else free it."""
        while self._returning:
            waiting = self._returning.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self.used -= 1
        self._freed()

    async def retake(self) -> None:
        """Take a slot again after a wait; before any new job."""
        if self.used < self.capacity:
            self.used += 1
            return
        waiting = asyncio.get_running_loop().create_future()
        self._returning.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                # The slot was handed over in the same moment: pass it on.
                self.release()
            raise
