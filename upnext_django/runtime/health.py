"""Whether the worker is live and ready, for probes, and the file whose age says so."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["Health", "HealthFile"]

logger = logging.getLogger("upnext.heartbeat")

#: How often the loop says that it answers.
_LOOP_S = 1.0
#: A beat waits for Redis 5 s a command at most, and its first command that fails ends it.
_BEAT_AGE_S = 30.0


class Health:
    """What the event loop and the heartbeat last said. Any thread may ask.

    Live is a worker whose loop answered in the last ``loop_s`` seconds and whose heartbeat, once it has
    begun, goes on: one that is not should be restarted. That Redis is away is no reason to. Ready is one
    that is live, takes jobs, and whose last heartbeat reached Redis.
    """

    def __init__(self, *, loop_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop_s = loop_s
        self._clock = clock
        self._loop_said_s = clock()
        self._beat_s: float | None = None
        self._reached_redis = False
        self._takes_jobs = False

    async def watch(self) -> None:
        """Say again and again that the loop answers; runs until it is cancelled."""
        while True:
            self._loop_said_s = self._clock()
            await asyncio.sleep(_LOOP_S)

    def beat(self, *, reached_redis: bool) -> None:
        """Note a beat of the heartbeat, and whether its last registration reached Redis."""
        self._reached_redis = reached_redis
        self._beat_s = self._clock()

    def take_jobs(self, takes: bool) -> None:
        """Note whether the worker takes jobs."""
        self._takes_jobs = takes

    def why_not_live(self) -> str:
        """Return what is wrong, "" for a worker that is live."""
        now = self._clock()
        if now - self._loop_said_s > self._loop_s:
            return f"the event loop has not answered for {now - self._loop_said_s:.0f} s"
        if self._beat_s is not None and now - self._beat_s > _BEAT_AGE_S:
            return f"the heartbeat has stood still for {now - self._beat_s:.0f} s"
        return ""

    def why_not_ready(self) -> str:
        """Return what is missing, "" for a worker that is ready."""
        if why := self.why_not_live():
            return why
        if self._beat_s is not None and not self._reached_redis:
            return "Redis does not answer"
        return "" if self._takes_jobs and self._beat_s is not None else "the worker takes no jobs"


class HealthFile:
    """Touched at most once a second by ``beat``, removed by ``remove``. Heartbeat thread only.

    Well is a worker that is live and whose last registration reached Redis.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._touched_s = 0.0
        self._complained = False

    def beat(self, health: Health, *, reached_redis: bool) -> None:
        """Touch the file if all is well."""
        now = time.monotonic()
        if not reached_redis or health.why_not_live() or now - self._touched_s < 1.0:
            return
        self._touched_s = now
        try:
            self._path.touch()
        except OSError as error:
            if not self._complained:
                self._complained = True
                logger.error("the health file cannot be written: %s", error)

    def remove(self) -> None:
        """Delete the file: the worker has ended."""
        with suppress(OSError):
            self._path.unlink()
