"""The outbox of one database, as the relay empties it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import QuerySet

from upnext_django.connection import label_of
from upnext_django.declare.ports import Broker
from upnext_django.exceptions import Backpressure
from upnext_django.models import OutboxEntry
from upnext_django.outbox.entries import put_back
from upnext_django.relay.batch import pass_on

__all__ = ["BATCH", "DatabaseRelay"]

logger = logging.getLogger("upnext.relay")

BATCH: Final = 200
#: A row that was seen so long ago is no longer on its way by the process that wrote it.
_GRACE_S: Final = 0.5
_FULL_PAUSE_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0


class DatabaseRelay:
    """Moves the rows of the database ``alias`` that are for the Redis of ``broker``, the oldest first.

    Rows are known by having been there at the last look, not by their time: the clocks of the machines
    may differ, and a transaction may take long. A database that is away is left alone for a while.
    """

    def __init__(self, broker: Broker, alias: str) -> None:
        self.alias = alias
        self._broker = broker
        self._redis = label_of(broker)
        self._is_new = True
        self._seen: dict[str, float] = {}
        self._full_until: dict[str, float] = {}
        self._pause_s = _FIRST_PAUSE_S
        self._away_until = 0.0

    def move_or_wait(self, go_on: Callable[[], bool], *, at_once: bool = False) -> int:
        """See move(); a database that is away is logged, once, and asked again later."""
        if time.monotonic() < self._away_until:
            return 0
        try:
            moved = self.move(go_on, at_once=at_once)
        except (DatabaseError, InterfaceError) as error:
            self._wait_out(error)
            return 0
        if self._pause_s > _FIRST_PAUSE_S:
            logger.info("The relay goes on with database %r.", self.alias)
            self._pause_s = _FIRST_PAUSE_S
        return moved

    def move(self, go_on: Callable[[], bool], *, at_once: bool = False) -> int:
        """Send one batch of what was left and return how many rows went.

        ``at_once`` takes also those that were just written; ``go_on`` is asked before each queue. Raises
        RedisUnavailable if Redis is away, DatabaseError or InterfaceError if a database is.
        """
        if self._is_new:
            # A newer version may be able to send what an older one could not.
            put_back(using=self.alias)
            self._is_new = False
        now = time.monotonic()
        self._full_until = {queue: until for queue, until in self._full_until.items() if until > now}
        rows = list(self._waiting().exclude(queue__in=self._full_until)[:BATCH])
        # A full batch is a backlog, and not what other processes are about to send.
        due = rows if at_once or len(rows) == BATCH else self._seen_before(rows, now)
        if not due:
            return 0
        passed = pass_on(self._broker, due, using=self.alias, go_on=go_on)
        self._hold_back(passed.full)
        return len(passed.gone) + len(passed.set_aside)

    def is_empty(self) -> bool:
        """Return whether nothing is left that could be sent. Raises DatabaseError if the database is away."""
        return not self._waiting().exists()

    def _waiting(self) -> QuerySet[OutboxEntry]:
        rows: QuerySet[OutboxEntry] = OutboxEntry.objects.using(self.alias)
        return rows.filter(redis=self._redis, set_aside_at=None).order_by("id")

    def _seen_before(self, rows: list[OutboxEntry], now: float) -> list[OutboxEntry]:
        self._seen = {row.job_id: self._seen.get(row.job_id, now) for row in rows}
        return [row for row in rows if now - self._seen[row.job_id] >= _GRACE_S]

    def _hold_back(self, full: Mapping[str, Backpressure]) -> None:
        for queue, error in full.items():
            logger.warning("The relay leaves queue %s for %.0f s: %s", queue, _FULL_PAUSE_S, error)
            self._full_until[queue] = time.monotonic() + _FULL_PAUSE_S

    def _wait_out(self, error: Exception) -> None:
        connections.close_all()
        if self._pause_s == _FIRST_PAUSE_S:
            logger.warning(
                "The relay waits for database %r: %s. Nothing is lost meanwhile.", self.alias, error
            )
        self._away_until = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
