"""A Redis that has just failed is left alone for a moment, so that not every commit waits for it in vain."""

from __future__ import annotations

import time
import weakref
from typing import Final

__all__ = ["Outages"]

_PAUSE_S: Final = 1.0


class Outages:
    """Which brokers failed within the last second; by the object, so a forgotten one is no longer here."""

    def __init__(self) -> None:
        self._until: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()

    def begin(self, broker: object) -> None:
        """Note that ``broker`` has failed."""
        self._until[broker] = time.monotonic() + _PAUSE_S

    def lasts(self, broker: object) -> bool:
        """Tell whether ``broker`` failed a moment ago."""
        return time.monotonic() < self._until.get(broker, 0.0)
