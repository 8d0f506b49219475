"""The database of the history: is it there, has it our tables, is SQLite set up, what time has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from upnext_django import conf
from upnext_django.checks import check_sqlite
from upnext_django.operations.health.finding import Finding, State

__all__ = ["check_database", "migrate_command", "unapplied"]

_SKEW_S: Final = 1.0


def check_database() -> Iterator[Finding]:
    """Raises DatabaseError if the database does not answer."""
    settings = conf.get()
    if not settings.history:
        found = "UPNEXT['HISTORY'] is False: no rows are written."
        yield Finding(name="database", state=State.OK, found=found)
        return
    alias = settings.database
    missing = unapplied(alias)
    if missing:
        yield Finding(
            name="migrations",
            state=State.FAIL,
            found=f"{len(missing)} of upnext_django are not applied to {alias!r}: {', '.join(missing)}.",
            fix=migrate_command(alias),
        )
    else:
        yield Finding(name="migrations", state=State.OK, found=f"All are applied to {alias!r}.")
    for message in check_sqlite():
        yield Finding(name="sqlite", state=State.WARN, found=str(message.msg), fix=str(message.hint or ""))
    if connections[alias].vendor == "postgresql":
        yield _clock(alias)


def unapplied(alias: str) -> list[str]:
    """Return the migrations of upnext_django that the database does not have. Raises OperationalError."""
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes("upnext"))
    return [migration.name for migration, _ in plan if migration.app_label == "upnext"]


def migrate_command(alias: str) -> str:
    """Return what brings the tables up to date."""
    where = "" if alias == DEFAULT_DB_ALIAS else f" --database {alias}"
    return f"python manage.py migrate upnext{where}"


def _clock(alias: str) -> Finding:
    with connections[alias].cursor() as cursor:
        began_s = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        row = cursor.fetchone()
        trip_s = time.time() - began_s
    ahead_s = float(row[0]) - (began_s + trip_s / 2) if row else 0.0
    side = "ahead of" if ahead_s > 0 else "behind"
    found = f"The clock of the database is {abs(ahead_s):.3f} s {side} this one."
    if abs(ahead_s) - trip_s / 2 <= _SKEW_S:
        return Finding(name="database clock", state=State.OK, found=found)
    return Finding(
        name="database clock",
        state=State.WARN,
        found=found,
        fix="Synchronise both machines (NTP): times in your rows and in the history differ by as much.",
    )
