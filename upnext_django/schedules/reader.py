"""The thread that keeps a worker's timetable up to date with the rows."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, connections

from upnext_django.broker.broker import Broker
from upnext_django.broker.scripts.revise import Revision
from upnext_django.exceptions import RedisUnavailable
from upnext_django.models import Schedule
from upnext_django.runtime.timetable import Timetable
from upnext_django.schedules.reading import Facts, needs_registry, overrides_of, timed_rows

__all__ = ["ScheduleReader"]

logger = logging.getLogger("upnext.cron")

#: How often Redis is asked for the version of the rows.
_LOOK_S = 0.5
#: The net below the version: a row that was saved by other means, or a version that Redis lost.
_READ_S = 60.0
_LONGEST_PAUSE_S = 5.0


class ScheduleReader:
    """Reads the rows when their version in Redis changes, and each minute. A Service.

    While the database or Redis is away, what was read last stays in force. ``using`` is the
    database's alias.
    """

    name = "the reader of schedules"
    brings_jobs = False

    def __init__(self, broker: Broker, timetable: Timetable, *, using: str = "default") -> None:
        self._broker = broker
        self._timetable = timetable
        self._using = using
        self._stopped = threading.Event()
        self._version: int | None = None
        self._due_s = 0.0
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="upnext-schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        return True

    def stop(self) -> None:
        self._stopped.set()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = _LOOK_S
        while not self._stopped.is_set():
            try:
                self._look()
            except (RedisUnavailable, DatabaseError, InterfaceError) as error:
                # Whatever was changed meanwhile, its version may be lost.
                self._version = None
                self._tell_trouble(error)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            except Exception:
                logger.exception(
                    "The schedules in the database could not be read; those known stay in force."
                )
                pause = _LONGEST_PAUSE_S
            else:
                pause = _LOOK_S
            self._stopped.wait(pause)

    def _look(self) -> None:
        version = self._broker.schedules.version_sync()
        now = time.monotonic()
        # Redis refuses outdated ticks at once, and the commit may still be on its way to this replica.
        outdated = self._timetable.outdated.is_set()
        if version == self._version and now < self._due_s and not outdated:
            return
        self._timetable.outdated.clear()
        self._read()
        # The version was asked for before the rows: a change between the two is read once more.
        self._version = version
        self._due_s = now + _READ_S
        if self._trouble is not None:
            self._trouble = None
            logger.info("The schedules in the database are read again.")

    def _read(self) -> None:
        try:
            rows = list(Schedule.objects.using(self._using))
        finally:
            # It is needed again in a minute; a held connection would be one more for each worker.
            connections[self._using].close()
        broker = self._broker
        facts = Facts(
            functions=broker.functions() if needs_registry(rows) else {},
            last_ticks=broker.schedules.last_ticks_sync([row.key for row in rows if not row.declared]),
            environment=broker.environment,
        )
        self._timetable.replace(timed_rows(rows, facts), overrides_of(rows))
        for row in rows:
            if row.declared and row.paused:
                # Also workers that read no rows must keep to it; Redis may have been away when it was said.
                revision = Revision(key=row.key, number=row.revision, paused=True)
                broker.schedules.revise_sync(revision, queues=())

    def _tell_trouble(self, error: Exception) -> None:
        what = type(error).__name__
        if self._trouble != what:
            self._trouble = what
            logger.warning("The schedules in the database wait: %s. Those known stay in force.", error)
