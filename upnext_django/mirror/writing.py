"""One batch of changes into the database: one short transaction, safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import msgspec
from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError, connections, transaction
from django.utils import timezone

from upnext_django.mirror import statements
from upnext_django.mirror.rows import Changes, CursorRow
from upnext_django.mirror.stamps import Stamps
from upnext_django.mirror.tally import stat_rows

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.utils import CursorWrapper

__all__ = ["REFUSALS", "write"]

#: What a database or its driver says to a row it can never store, whoever tries.
REFUSALS = (DataError, IntegrityError, ValueError, OverflowError)

_TRIES = 3
# SQLite takes 999 parameters a statement in its oldest builds.
_IDS_A_STATEMENT = 900

_as_tuple = msgspec.structs.astuple


def write(changes: Changes, *, using: str = "default", counted: Sequence[CursorRow] = ()) -> None:
    """Write ``changes`` to the database ``using`` in one transaction; repeating it changes nothing.

    With ``counted`` the ends among them are added to the statistics as well, which must be done once: it
    is where counting stands afterwards.

    A deadlock or a lock is tried again at once, twice. Raises OperationalError or InterfaceError
    when the database is away, one of REFUSALS when it can never store one of the rows; nothing is
    written then.
    """
    connection = connections[using]
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic(using=using, durable=True), connection.cursor() as cursor:
                _write(cursor, connection, changes)
                if counted:
                    _count(cursor, connection, changes, counted)
        except OperationalError as error:
            if not left or not _is_conflict(error):
                raise
        else:
            return
        finally:
            # With DEBUG Django keeps the text of every statement, and this is a thread without requests.
            connection.queries_log.clear()


def _write(cursor: CursorWrapper, connection: BaseDatabaseWrapper, changes: Changes) -> None:
    put = _put_rows(cursor, connection)
    vendor = connection.vendor
    put(statements.jobs(vendor), [row for row in changes.jobs if row.function])
    put(statements.later_jobs(vendor), [row for row in changes.jobs if not row.function])
    put(statements.attempts(vendor), changes.attempts)
    put(statements.logs(vendor), changes.logs)
    put(statements.artifacts(vendor), changes.artifacts)
    for statement, job_ids in (
        (statements.handbacks, changes.handed_back),
        (statements.dead_letters, changes.dead),
    ):
        for start in range(0, len(job_ids), _IDS_A_STATEMENT):
            ids = job_ids[start : start + _IDS_A_STATEMENT]
            cursor.execute(statement(len(ids)), ids)
    if changes.prints:
        prints = sorted(changes.prints.items())
        cursor.executemany(
            statements.prints(), [(one.digest, one.message, one.frame, job_id) for job_id, one in prints]
        )
    for letter, job_id in changes.replayed:
        cursor.execute(statements.replays(), [job_id, letter])
    for letter, at_ms in changes.discarded:
        moment = connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(at_ms / 1000, UTC))
        cursor.execute(statements.discards(), [moment, letter, moment])


def _count(
    cursor: CursorWrapper, connection: BaseDatabaseWrapper, changes: Changes, counted: Sequence[CursorRow]
) -> None:
    unnamed = sorted({end.job_id for end in changes.ends if not end.function})
    names: dict[str, str] = {}
    for start in range(0, len(unnamed), _IDS_A_STATEMENT):
        ids = unnamed[start : start + _IDS_A_STATEMENT]
        cursor.execute(statements.functions(len(ids)), ids)
        names.update(cursor.fetchall())
    put = _put_rows(cursor, connection)
    put(statements.stats(connection.vendor), stat_rows(changes.ends, names))
    put(statements.cursors(connection.vendor), counted)


def _put_rows(
    cursor: CursorWrapper, connection: BaseDatabaseWrapper
) -> Callable[[statements.Statement, Sequence[msgspec.Struct]], None]:
    if connection.vendor == "postgresql":

        def put(statement: statements.Statement, rows: Sequence[msgspec.Struct]) -> None:
            if rows:
                cursor.execute(statement.sql, [msgspec.json.encode(rows).decode()])

    else:
        stamps = Stamps(_zone(connection))

        def put(statement: statements.Statement, rows: Sequence[msgspec.Struct]) -> None:
            if rows:
                cursor.executemany(statement.sql, [_parameters(row, statement.times, stamps) for row in rows])

    return put


def _parameters(row: msgspec.Struct, times: tuple[int, ...], stamps: Stamps) -> Sequence[Any]:
    values = list(_as_tuple(row))
    for place in times:
        at_ms = values[place]
        if at_ms is not None:
            values[place] = stamps[at_ms]
    return values


def _zone(connection: BaseDatabaseWrapper) -> tzinfo:
    """Return the zone in which Django keeps times without a zone in this database."""
    if settings.USE_TZ and connection.timezone is not None:
        return connection.timezone
    return timezone.get_default_timezone()


def _is_conflict(error: OperationalError) -> bool:
    """Return whether another transaction stood in the way: PostgreSQL's class 40, SQLite's locks."""
    cause = error.__cause__
    return str(getattr(cause, "sqlstate", "") or "").startswith("40") or "locked" in str(cause)
