"""What a worker process is told through its inbox: cancel a job, be quiet, take work again, stop.

Orders to the process may come through the inbox of any queue that it serves, and more than once: each
says how things are to be, so a second one changes nothing. They end with the process, since one that is
started in its place has another id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from upnext_django.broker.mailbox import Fields
from upnext_django.broker.operator import Order
from upnext_django.runtime.consumer import Consumer
from upnext_django.runtime.executor import Executor

__all__ = ["Orders"]

logger = logging.getLogger("upnext.worker")


class Orders:
    """Hears the orders of one process and has them done on its loop.

    ``stop_asked`` is set to stop it, ``changed`` is called when the registry has something new to tell.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        consumers: Sequence[Consumer],
        *,
        stop_asked: asyncio.Event,
        changed: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._executor = executor
        self._consumers = consumers
        self._stop_asked = stop_asked
        self._changed = changed
        self._is_quiet = False

    @property
    def state(self) -> str:
        """What the process does, for the registry: "running", "quiet" or "stopping"."""
        if self._stop_asked.is_set():
            return "stopping"
        return "quiet" if self._is_quiet else "running"

    def hear(self, fields: Fields) -> None:
        """Take an entry of an inbox; an order that this version does not know is ignored. Mailbox thread."""
        if self._loop.is_closed():
            return
        match fields.get(b"order", b"").decode():
            case "cancel":
                self._loop.call_soon_threadsafe(self._executor.cancel, fields[b"j"].decode())
            case Order.QUIET:
                self._loop.call_soon_threadsafe(self._set_quiet, True)
            case Order.RESUME:
                self._loop.call_soon_threadsafe(self._set_quiet, False)
            case Order.STOP:
                self._loop.call_soon_threadsafe(self._stop)

    def _set_quiet(self, quiet: bool) -> None:
        # Whoever stops has closed its gate for good.
        if quiet == self._is_quiet or self._stop_asked.is_set():
            return
        self._is_quiet = quiet
        logger.info("told to be quiet: no more work is taken" if quiet else "told to take work again")
        for consumer in self._consumers:
            consumer.set_quiet(quiet)
        self._changed()

    def _stop(self) -> None:
        """Stop as at SIGTERM. Unlike a second signal, a second order does not cut running jobs short."""
        if not self._stop_asked.is_set():
            logger.info("told to stop")
            self._stop_asked.set()
            self._changed()
