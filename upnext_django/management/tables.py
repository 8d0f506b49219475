"""Whether the database has the tables that the mirror writes."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db import OperationalError, connections

from upnext_django.operations.health.database import migrate_command, unapplied

__all__ = ["require_tables"]


def require_tables(alias: str) -> str | None:
    """Raise CommandError if migrations of upnext_django are not applied to the database ``alias``.

    Returns a warning where the database does not answer: work goes on without it, and the mirror
    catches up when it is back.
    """
    try:
        missing = unapplied(alias)
    except OperationalError as error:
        return f"Database {alias!r} does not answer, so history is written later: {error}"
    finally:
        # In a caller's transaction, such as a test's, the connection is the caller's.
        if not connections[alias].in_atomic_block:
            connections[alias].close_if_unusable_or_obsolete()
    if missing:
        names = ", ".join(missing)
        raise CommandError(
            f"The tables of upnext_django are missing or out of date in database {alias!r} "
            f"({len(missing)} unapplied: {names}); run: {migrate_command(alias)}"
        )
    return None
