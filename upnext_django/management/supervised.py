"""A worker's side of ``--processes``: which of them it is, and how it speaks with the parent."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from upnext_django.management.supervise import LIVE, NOT_LIVE, READY, SUPERVISED, TAKES_JOBS
from upnext_django.runtime.health import Health

__all__ = ["Supervised", "stop_at_the_end_of"]

_TELL_S = 1.0


@dataclass(frozen=True, slots=True)
class Supervised:
    """What the parent said: see supervise.SUPERVISED."""

    number: int
    lifeline: int
    ready: int
    screen: bool
    health: bool

    @classmethod
    def of_this_process(cls) -> Supervised | None:
        """Return what the parent said to this worker, None if it has none. What it starts is not told."""
        told = os.environ.pop(SUPERVISED, None)
        return None if told is None else cls(**json.loads(told))

    def tell_ready(self) -> None:
        """Say that this worker takes jobs."""
        os.write(self.ready, TAKES_JOBS)
        if not self.health:
            os.close(self.ready)

    def tell_health(self, health: Health) -> None:
        """Say every second, from a thread, how this worker is; nothing where nobody asks."""
        if self.health:
            os.set_blocking(self.ready, False)
            threading.Thread(target=self._tell, args=(health,), name="upnext-probe", daemon=True).start()

    def _tell(self, health: Health) -> None:
        while True:
            if health.why_not_live():
                said = NOT_LIVE
            else:
                said = LIVE if health.why_not_ready() else READY
            try:
                # Full: the parent stands still, and will read the newest of what is there.
                with suppress(BlockingIOError):
                    os.write(self.ready, said)
            except OSError:
                return  # the parent is gone
            time.sleep(_TELL_S)


def stop_at_the_end_of(lifeline: int, stop: Callable[[], None]) -> None:
    """Call ``stop``, in a thread, when the parent that holds the other end of the pipe is gone."""

    def wait() -> None:
        os.read(lifeline, 1)
        stop()

    threading.Thread(target=wait, name="upnext-lifeline", daemon=True).start()
