"""The thread that keeps the history up to date."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby

from django.db import connections

from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.mirror.ahead import folded
from upnext_django.mirror.applying import apply
from upnext_django.mirror.ports import Broker, EventBatch, Events
from upnext_django.mirror.registries import copy_functions, copy_workers
from upnext_django.mirror.tally import Tally, cursor_rows
from upnext_django.mirror.writing import REFUSALS
from upnext_django.standby import StandbyService

__all__ = ["MirrorService"]

logger = logging.getLogger("upnext.mirror")

#: An entry has one move or two hundred; what is in memory at once is a matter of moves.
_MOVES_A_READ = 2000
_ENTRIES_A_READ = (10, 200)
_JOBS_A_TRANSACTION = 500
_BLOCK_MS = 200
_REGISTRIES_S = 2.0


class MirrorService(StandbyService):
    """Reads the moves of all queues and writes them to the history, in a thread of its own.

    Of all services of a namespace one is active, by a lease in Redis; the others wait for it. While
    the database or Redis is away it waits, logs that once, and goes on where it was: an entry is
    acknowledged after the commit of its rows, and writing it again changes nothing. ``using`` is the
    database's alias.
    """

    name = "mirror"

    def __init__(self, broker: Broker, *, using: str = "default") -> None:
        super().__init__()
        self._broker = broker
        self._events: Events | None = None
        self._using = using
        self._registries_due = 0.0
        self._functions: dict[str, dict[str, object]] | None = None
        # Written, but Redis went away before it could be acknowledged.
        self._unacknowledged: list[EventBatch] = []
        self._unwritten: list[EventBatch] = []
        self._tally = Tally(using)
        self._entries = _ENTRIES_A_READ[0]
        #: Moves that could not be read or stored since the start.
        self.skipped = 0

    def take_lease(self, owner: str, ttl_ms: int) -> bool:
        return self._reader().lease(owner, ttl_ms)

    def drop_lease(self, owner: str) -> None:
        self._reader().release(owner)

    def is_drained(self) -> bool:
        return not self._unwritten and self._reader().lag() == 0

    def database_failed(self) -> None:
        # What of the counts was committed is known there alone.
        self._tally.forget()

    def _reader(self) -> Events:
        if self._events is None:
            self._events = self._broker.events
        return self._events

    def forget(self) -> None:
        self._unwritten = []
        self._unacknowledged = []
        self._tally.forget()
        if self._events is not None:
            self._events.close()
            self._events = None

    def work(self) -> None:
        if not self._unwritten:
            self._acknowledge()
            self._unwritten = self._readable(self._reader().read(self._entries, _BLOCK_MS))
            self._entries = _entries_for(self._unwritten)
        self._write()
        now = time.monotonic()
        if now >= self._registries_due:
            self._registries_due = now + _REGISTRIES_S
            self._copy_registries()

    def _write(self) -> None:
        """Write what was read, transaction by transaction, and acknowledge each."""
        # What is counted already and what is not never share a transaction.
        plan = [
            (is_new, entries)
            for is_new, alike in groupby(self._unwritten, self._tally.is_new)
            for entries in _transactions(alike)
        ]
        groups = [_moves(entries) for _, entries in plan]
        # SQLite takes the interpreter back for each row, and a thread that folds would keep it waiting.
        changes = folded(groups, ahead=connections[self._using].vendor == "postgresql")
        with closing(changes):
            for (is_new, entries), moves in zip(plan, groups, strict=True):
                if self.is_stopping or not self.is_active():
                    return
                counted = cursor_rows(entries) if is_new else ()
                self.skipped += apply(moves, changes=next(changes), using=self._using, counted=counted)
                self._tally.counted(counted)
                del self._unwritten[: len(entries)]
                self._unacknowledged.extend(entries)
                self._acknowledge()

    def _readable(self, batches: Sequence[EventBatch]) -> list[EventBatch]:
        """Return ``batches``; count and log what no script wrote in them."""
        for batch in batches:
            for value in batch.broken:
                self.skipped += 1
                logger.error(
                    "Entry %s of queue %s has a value that is no move, and is skipped: %r",
                    batch.entry_id,
                    batch.queue,
                    value[:200],
                )
        return list(batches)

    def _acknowledge(self) -> None:
        if self._unacknowledged:
            self._reader().ack(self._unacknowledged, ttls=_ttls(self._unacknowledged))
            self._unacknowledged = []

    def _copy_registries(self) -> None:
        workers, functions = self._broker.workers(), self._broker.functions()
        try:
            copy_workers(workers, using=self._using)
            if functions != self._functions:
                self._functions = functions
                copy_functions(functions, using=self._using)
        except REFUSALS:
            logger.exception("The database refuses what a worker registered; jobs are not affected.")


def _transactions(batches: Iterable[EventBatch]) -> Iterator[list[EventBatch]]:
    """Yield the batches in groups that make a short transaction each, of one batch at least."""
    job_ids: set[str] = set()
    taken: list[EventBatch] = []
    for batch in batches:
        job_ids.update(move.job_id for move in batch.moves)
        if taken and len(job_ids) > _JOBS_A_TRANSACTION:
            yield taken
            taken, job_ids = [], {move.job_id for move in batch.moves}
        taken.append(batch)
    if taken:
        yield taken


def _entries_for(batches: Sequence[EventBatch]) -> int:
    """Return how many entries to read next, going by how many moves those read last had."""
    moves = sum(len(batch.moves) for batch in batches)
    fewest, most = _ENTRIES_A_READ
    return max(fewest, min(most, _MOVES_A_READ * len(batches) // moves)) if moves else most


def _moves(batches: Sequence[EventBatch]) -> list[tuple[str, JobMove]]:
    return [(batch.queue, move) for batch in batches for move in batch.moves]


def _ttls(batches: Sequence[EventBatch]) -> list[tuple[str, str, int]]:
    return list(_terminal(batches))


def _terminal(batches: Sequence[EventBatch]) -> Iterator[tuple[str, str, int]]:
    for batch in batches:
        for move in batch.moves:
            if move.status in TERMINAL and move.extra > 0:
                yield batch.queue, move.job_id, move.extra
