"""When sync code's jobs leave: with the commit of the transaction around them, else at once.

``transaction.on_commit`` is what decides: Django forgets a hook when its transaction or its savepoint
is rolled back, so a job of a rolled-back block is never sent. With ``UPNEXT["OUTBOX"]`` each job is a row
in that transaction too, which the relay sends where the hook could not.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from upnext_django import conf
from upnext_django.connection import label_of
from upnext_django.core.job import NewJob, SubmitReply
from upnext_django.core.stored_job import StoredJob
from upnext_django.declare.ports import Broker, Delivery
from upnext_django.exceptions import RedisUnavailable, UpNextError
from upnext_django.outbox import entries
from upnext_django.outbox.databases import has_outbox
from upnext_django.outbox.outage import Outages

__all__ = ["TransactionSender"]

logger = logging.getLogger("upnext.outbox")

_NAMED_AT_MOST: Final = 20


class TransactionSender:
    """The sender of Django projects; see ``declare.ports.Sender``."""

    def __init__(self) -> None:
        self._outages = Outages()

    def defers(self, *, using: str | None, on_commit: bool) -> bool:
        """Return whether send() would hold a job back until a commit. Raises as send() does."""
        return on_commit and _transaction(using) is not None

    def keeps(self, *, on_commit: bool) -> bool:
        """Return whether send() keeps jobs in the outbox. Where a loop runs there is no database for it."""
        return on_commit and conf.get().outbox and asyncio._get_running_loop() is None

    def send(self, broker: Broker, jobs: Sequence[NewJob], *, using: str | None, on_commit: bool) -> Delivery:
        """Send ``jobs`` now, or on the commit of the transaction that this thread is in.

        ``using`` is a database alias; None is ``UPNEXT["DATABASE"]`` if that is in a transaction, else
        the only database that is. ``on_commit=False`` sends now. Jobs that one transaction submits
        one after the other leave in one write. If that write fails after the commit, the error goes
        to whoever committed and names the jobs.

        With ``UPNEXT["OUTBOX"]`` the jobs are rows in the transaction as well, and a write that fails
        is logged: the relay sends what was left. Without a transaction they are sent now, and become rows
        if Redis is away; but not jobs whose result the caller is about to wait for.

        Raises TransactionManagementError where the database cannot be told, or is in a transaction
        that was opened by switching autocommit off: Django does not say when those commit. Raises
        ImproperlyConfigured where the jobs should be rows and the database has no table for them.
        """
        connection = _transaction(using) if on_commit else None
        keeps = self.keeps(on_commit=on_commit)
        if connection is None:
            if keeps and all(job.reply is None for job in jobs):
                return self._send_or_store(broker, jobs, using or conf.get().database)
            return Delivery("sent", broker.submit_sync(jobs))
        delivery = Delivery("deferred")
        stored = None
        if keeps:
            _require_outbox(connection.alias)
            stored = entries.write(jobs, redis=label_of(broker), using=connection.alias)
        hook = _Departure(broker, list(jobs), delivery, connection.alias, stored, self._outages)
        _link(hook, connection)
        connection.on_commit(hook)
        return delivery

    def _send_or_store(self, broker: Broker, jobs: Sequence[NewJob], alias: str) -> Delivery:
        if not self._outages.lasts(broker):
            try:
                return Delivery("sent", broker.submit_sync(jobs))
            except RedisUnavailable as error:
                self._outages.begin(broker)
                self._store(broker, jobs, alias, error)
        else:
            self._store(broker, jobs, alias, None)
        return Delivery("stored")

    def _store(
        self, broker: Broker, jobs: Sequence[NewJob], alias: str, error: RedisUnavailable | None
    ) -> None:
        try:
            _require_outbox(alias)
            entries.write(jobs, redis=label_of(broker), using=alias)
        except (DatabaseError, InterfaceError, ImproperlyConfigured) as failure:
            if error is None:
                raise
            error.add_note(f"Nor could the outbox take it: {failure}")
            raise error from failure
        logger.log(
            logging.DEBUG if error is None else logging.WARNING,
            "%s waits in the outbox of database %r for the relay. %s",
            _names(jobs),
            alias,
            error or "Redis failed a moment ago.",
        )


class _Departure:
    """The on_commit hook of one send().

    ``follower`` is the departure registered right after this one, if no other hook came between.
    The first to be called takes its followers along, so that they are one write, and no job passes
    a hook that was registered before it. A weak reference: a follower that Django dropped with its
    savepoint is gone from here too.
    """

    __slots__ = ("__weakref__", "alias", "broker", "delivery", "follower", "jobs", "outages", "stored")

    def __init__(
        self,
        broker: Broker,
        jobs: list[NewJob],
        delivery: Delivery,
        alias: str,
        stored: list[StoredJob] | None,
        outages: Outages,
    ) -> None:
        self.broker = broker
        self.jobs = jobs
        self.delivery = delivery
        self.alias = alias
        #: The jobs as rows of the outbox; None where there is none.
        self.stored = stored
        self.outages = outages
        self.follower: weakref.ref[_Departure] | None = None

    def __del__(self) -> None:
        # Only the connection holds a hook. Gone without having been called, it was rolled back.
        if self.delivery.state == "deferred":
            self.delivery.state = "discarded"

    def __call__(self) -> None:
        if self.delivery.state != "deferred":
            return
        for broker, group in groupby(self._waiting(), key=lambda departure: departure.broker):
            departures = list(group)
            if all(departure.stored is not None for departure in departures):
                _send_stored(broker, departures, self.outages)
            else:
                _send(broker, departures)

    def _waiting(self) -> Iterator[_Departure]:
        departure: _Departure | None = self
        while departure is not None:
            if departure.delivery.state == "deferred":
                yield departure
            departure = departure.follower() if departure.follower is not None else None


def _send(broker: Broker, departures: list[_Departure]) -> None:
    jobs = [job for departure in departures for job in departure.jobs]
    with _Sending(departures, jobs):
        replies = broker.submit_sync(jobs)
    _hand_out(replies, departures)


def _send_stored(broker: Broker, departures: list[_Departure], outages: Outages) -> None:
    """Send what is in the outbox too, and take it out there. What fails is logged: the relay goes on."""
    for departure in departures:
        departure.delivery.state = "stored"
    stored = [job for departure in departures for job in departure.stored or ()]
    alias = departures[0].alias
    if outages.lasts(broker):
        logger.debug("%s waits in the outbox: Redis failed a moment ago.", _names(stored))
        return
    now_ms = entries.now_ms()
    try:
        replies = broker.submit_sync([job.at(now_ms) for job in stored])
    except UpNextError as error:
        if isinstance(error, RedisUnavailable):
            outages.begin(broker)
        logger.warning("%s waits in the outbox of database %r: %s", _names(stored), alias, error)
        return
    _hand_out(replies, departures)
    try:
        entries.remove([job.id for job in stored], using=alias)
    except (DatabaseError, InterfaceError) as error:
        # The relay sends them again, which Redis knows how to answer, and takes them out.
        logger.warning("%s was sent and stays in the outbox: %s", _names(stored), error)


def _hand_out(replies: Sequence[SubmitReply], departures: Sequence[_Departure]) -> None:
    start = 0
    for departure in departures:
        end = start + len(departure.jobs)
        departure.delivery.replies = list(replies[start:end])
        departure.delivery.state = "sent"
        start = end


class _Sending:
    """Gives up the departures if an error passes, and tells it which committed jobs it is about."""

    def __init__(self, departures: list[_Departure], jobs: list[NewJob]) -> None:
        self.departures = departures
        self.jobs = jobs

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        for departure in self.departures:
            departure.delivery.state = "discarded"
        if isinstance(error, RedisUnavailable):
            raise RedisUnavailable(f"{error} {self}", url=error.url) from error
        error.add_note(str(self))

    def __str__(self) -> str:
        return (
            f"The transaction on database {self.departures[0].alias!r} is committed, but sending its jobs "
            f"failed: {_names(self.jobs)}. Submit those again that get_job(id) "
            "does not find."
        )


def _names(jobs: Sequence[NewJob | StoredJob]) -> str:
    named = ", ".join(f"{job.id} ({job.function})" for job in jobs[:_NAMED_AT_MOST])
    rest = len(jobs) - _NAMED_AT_MOST
    return f"{named} and {rest} more" if rest > 0 else named


def _require_outbox(alias: str) -> None:
    if not has_outbox(alias):
        raise ImproperlyConfigured(
            f"Database {alias!r} has no outbox, so a submit in its transactions cannot be kept there. Run "
            f"python manage.py migrate upnext --database {alias}, if the routers and "
            "UPNEXT['OUTBOX_DATABASES'] allow it; or submit with task.options(on_commit=False) or using=."
        )


def _link(hook: _Departure, connection: BaseDatabaseWrapper) -> None:
    # captureOnCommitCallbacks() runs, or lists, the hooks of its own block one by one: there each
    # sends its own jobs. Tests are the only place where hooks outlive the block they were made in.
    if any(_is_of_testcase(block) for block in connection.atomic_blocks) or not connection.run_on_commit:
        return
    last = connection.run_on_commit[-1][1]
    if isinstance(last, _Departure):
        last.follower = weakref.ref(hook)


def _transaction(using: str | None) -> BaseDatabaseWrapper | None:
    """Return the connection whose commit sends the job; None sends it now."""
    if using is not None:
        connection = connections[using]
        return _hookable(connection) if _is_in_transaction(connection) else None
    opened = [c for c in connections.all(initialized_only=True) if _is_in_transaction(c)]
    if not opened:
        return None
    inside = {connection.alias: connection for connection in opened}
    chosen = conf.get().database
    if chosen in inside:
        return _hookable(inside[chosen])
    if len(inside) == 1:
        return _hookable(next(iter(inside.values())))
    names = " and ".join(repr(alias) for alias in inside)
    raise TransactionManagementError(
        f"The databases {names} are in a transaction and UPNEXT['DATABASE'], {chosen!r}, is not; say whose "
        f"commit sends the job: task.options(using={next(iter(inside))!r}), or on_commit=False for now."
    )


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether code of the project opened a transaction; the blocks around a TestCase are not."""
    if connection.in_atomic_block:
        return not all(_is_of_testcase(block) for block in connection.atomic_blocks)
    return connection.connection is not None and not connection.autocommit


def _is_of_testcase(block: object) -> bool:
    # Private to Django, hence the default: without it a submit in a TestCase waits as on_commit does.
    return getattr(block, "_from_testcase", False)


def _hookable(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    if connection.in_atomic_block:
        return connection
    raise TransactionManagementError(
        f"Database {connection.alias!r} has autocommit off, and nothing tells when such a transaction "
        "commits; use transaction.atomic(), or task.options(on_commit=False) to send the job now."
    )
