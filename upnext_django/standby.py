"""What the services have in common of which one per namespace works while the others stand by."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from django.db import DatabaseError, InterfaceError, connections

from upnext_django.exceptions import RedisUnavailable

__all__ = ["StandbyService"]

_LEASE_MS: Final = 15_000
_RENEW_S: Final = 5.0
_STANDBY_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.05


class StandbyService(ABC):
    """A Service in a thread of its own that works in passes, while it holds a lease in Redis.

    While Redis or a database is away it waits, logs that once, and goes on. A subclass does a pass in
    work(), and asks is_active() between two steps of a long one.
    """

    name: str
    brings_jobs: ClassVar[bool] = False
    #: The longest wait between two tries while something is away, in seconds.
    longest_pause_s: ClassVar[float] = 5.0

    def __init__(self) -> None:
        self._logger = logging.getLogger(f"upnext.{self.name}")
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._thread = threading.Thread(target=self._run, name=f"upnext-{self.name}", daemon=True)
        self._stopping = threading.Event()
        self._leased_until = 0.0
        self._drains = threading.Condition()
        self._drains_wanted = 0
        self._drains_done = 0
        self._trouble: str | None = None
        self._pause_s = _FIRST_PAUSE_S

    # -- what a subclass does; each may raise RedisUnavailable, DatabaseError or InterfaceError

    @abstractmethod
    def take_lease(self, owner: str, ttl_ms: int) -> bool:
        """Take or renew the lease; False if another owner holds it."""

    @abstractmethod
    def drop_lease(self, owner: str) -> None:
        """Give the lease back if it is ``owner``'s."""

    @abstractmethod
    def work(self) -> None:
        """Do one pass; waits a moment where there is nothing to do."""

    @abstractmethod
    def is_drained(self) -> bool:
        """Return whether there is nothing left to do, here or in the active service."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is in hand: the lease is another's, or the thread ends."""

    def database_failed(self) -> None:  # noqa: B027 - few have anything to do then
        """Hear that a pass was broken off by a database; nobody knows what of it was committed."""

    # -- the Service

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end after the step it is in; returns at once."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; False if it still runs after ``timeout_s`` seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all there is to do now is done, by this service or the active one.

        False after ``timeout_s`` seconds, or if the thread ends before.
        """
        with self._drains:
            self._drains_wanted += 1
            wanted = self._drains_wanted
            return self._drains.wait_for(
                lambda: self._drains_done >= wanted or not self._thread.is_alive(), timeout_s
            ) and (self._drains_done >= wanted)

    # -- for a subclass

    @property
    def is_drain_wanted(self) -> bool:
        """Whether somebody waits in drain()."""
        return self._drains_wanted > self._drains_done

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than until stop()."""
        self._stopping.wait(seconds)

    def is_active(self) -> bool:
        """Return whether the lease is this service's, renewing it in time."""
        now = time.monotonic()
        if now < self._leased_until:
            return True
        active = self.take_lease(self._owner, _LEASE_MS)
        if active:
            self._leased_until = now + _RENEW_S
        elif self._leased_until:
            # The active service gets what is in hand here, and so does this one should the lease come back.
            self._leased_until = 0.0
            self.forget()
        return active

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._one_pass()
            self._release()
        finally:
            self.forget()
            # Those of this thread.
            connections.close_all()
            with self._drains:
                self._drains.notify_all()

    def _one_pass(self) -> None:
        wanted = self._drains_wanted
        try:
            if self.is_active():
                self.work()
            else:
                self._stopping.wait(_STANDBY_S)
            if wanted > self._drains_done and self.is_drained():
                with self._drains:
                    self._drains_done = wanted
                    self._drains.notify_all()
        except RedisUnavailable as error:
            self._wait_out("Redis", error)
        except (DatabaseError, InterfaceError) as error:
            connections.close_all()
            self.database_failed()
            self._wait_out("the database", error)
        except Exception:
            self._logger.exception("The %s failed unexpectedly; it goes on.", self.name)
            self._stopping.wait(self.longest_pause_s)
        else:
            self._recovered()

    def _wait_out(self, what: str, error: Exception) -> None:
        if self._trouble != what:
            self._trouble = what
            self._logger.warning(
                "The %s waits for %s: %s. Nothing is lost meanwhile.", self.name, what, error
            )
        self._stopping.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, self.longest_pause_s)

    def _recovered(self) -> None:
        if self._trouble is not None:
            self._logger.info("The %s goes on: %s is back.", self.name, self._trouble)
            self._trouble = None
            self._pause_s = _FIRST_PAUSE_S

    def _release(self) -> None:
        try:
            self.drop_lease(self._owner)
        except RedisUnavailable:
            self._logger.info("The %s's lease could not be given back; it ends by itself.", self.name)
