"""How long a page waits for what it shows: for Redis, and for the database of the history."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from django.db import DatabaseError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from upnext_django import conf
from upnext_django.broker.patience import patience

__all__ = ["DATABASE_S", "REDIS_S", "Bounds"]

#: Seconds that all questions of one page to Redis may take together.
REDIS_S: Final = 2.0
#: The same of the database.
DATABASE_S: Final = 5.0

_CANCEL_S: Final = 2.0


class Bounds:
    """The time of one page, from its making on. What takes longer raises as if it did not answer."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the bounds inside; may be entered again, for the rest of the time."""
        gone = time.monotonic() - self._began
        with ExitStack() as stack:
            stack.enter_context(patience(max(0.0, REDIS_S - gone)))
            stack.enter_context(_database(conf.get().database, max(0.0, DATABASE_S - gone)))
            yield


@contextmanager
def _database(alias: str, seconds: float) -> Iterator[None]:
    watch = _Watch(connections[alias])
    timer = threading.Timer(seconds, watch.end)
    timer.daemon = True
    timer.start()
    try:
        with connections[alias].execute_wrapper(watch):
            yield
    finally:
        timer.cancel()
        watch.close()


class _Watch:
    """Lets queries through until its time is over, then ends the running one and refuses the next."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._is_over = False
        self._is_asking = False

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        with self._lock:
            self._refuse_after()
            self._is_asking = True
        try:
            return execute(sql, params, many, context)
        except DatabaseError:
            self._refuse_after()
            raise
        finally:
            with self._lock:
                self._is_asking = False

    def end(self) -> None:
        """End what runs; called from the timer's thread."""
        with self._lock:
            self._is_over = True
            # Under the lock: afterwards it might hit a query that is none of the page's.
            if self._is_asking:
                _interrupt(self._connection.connection)

    def close(self) -> None:
        with self._lock:
            self._is_asking = False

    def _refuse_after(self) -> None:
        if self._is_over:
            raise OperationalError(
                f"its answers took longer than the {DATABASE_S:g} s that a page waits for all of them."
            )


def _interrupt(raw: Any) -> None:
    """End the query of a connection of psycopg or sqlite3, from another thread; others cannot do that."""
    if hasattr(raw, "cancel_safe"):
        raw.cancel_safe(timeout=_CANCEL_S)
    elif hasattr(raw, "cancel"):
        raw.cancel()
    elif hasattr(raw, "interrupt"):
        raw.interrupt()
