"""The thread of a worker that applies ``UPNEXT["RETENTION"]`` once an hour."""

from __future__ import annotations

import logging
import threading
import uuid

from django.db import DatabaseError, InterfaceError, connections

from upnext_django import conf
from upnext_django.broker.broker import Broker
from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations.retention import prune

__all__ = ["Pruner"]

logger = logging.getLogger("upnext.retention")

_TURN = "prune"
_HOUR_MS = 3_600_000
#: Ends before the next turn begins.
_BUDGET_S = 3_000.0
_FIRST_LOOK_S = 1.0
_LOOK_S = 60.0


class Pruner:
    """Deletes old rows, in one worker of the namespace an hour.

    The turn is a key in Redis that ends by itself after an hour: whoever can set it prunes. One that dies
    on the way leaves the rest to the next turn; one whose database is away gives the turn back. Workers
    that run in bursts do not prune.
    """

    name = "retention"
    brings_jobs = False

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upnext-retention", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end after the transaction it is in; returns at once."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; False if it still runs after ``timeout_s`` seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def drain(self, timeout_s: float) -> bool:
        """There is nothing to wait for: what is left goes an hour later."""
        return True

    def _run(self) -> None:
        pause_s = _FIRST_LOOK_S
        while not self._stopping.wait(pause_s):
            pause_s = _LOOK_S
            try:
                self._one_pass()
            except RedisUnavailable as error:
                logger.info("Retention waits for Redis: %s", error)
            except Exception:
                logger.exception("Applying the retention failed; it is tried again in an hour.")

    def _one_pass(self) -> None:
        owner = uuid.uuid4().hex
        if not self._broker.operator.take_turn_sync(_TURN, owner, ttl_ms=_HOUR_MS):
            return
        try:
            pruned = prune(budget_s=_BUDGET_S, stopping=self._stopping)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Retention waits for the database: %s. Nothing is lost meanwhile.", error)
            self._broker.operator.give_turn_back_sync(_TURN, owner)
            return
        finally:
            connections[conf.get().database].close()
        if pruned.total:
            logger.info(
                "Retention: %d jobs, %d dead letters without one, %d workers, %d bulk actions, %d counts and "
                "%d stray files are deleted.",
                sum(pruned.jobs.values()),
                pruned.dead_letters,
                pruned.workers,
                pruned.bulk_actions,
                pruned.statistics,
                pruned.files,
            )
        if self._stopping.is_set() and not pruned.is_whole:
            self._broker.operator.give_turn_back_sync(_TURN, owner)
