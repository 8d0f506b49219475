"""Which databases have an outbox."""

from __future__ import annotations

import time
from typing import Final

from django.db import DatabaseError, InterfaceError, connections, router

from upnext_django import conf
from upnext_django.models import OutboxEntry

__all__ = ["has_outbox", "may_have_outbox", "with_outbox"]

_TABLE: Final = OutboxEntry._meta.db_table
_LOOK_AGAIN_S: Final = 30.0

# Alias and name of a database -> when its table was missed; None if it was there. A test's database is
# another one than that of the same alias outside.
_looked: dict[tuple[str, str], float | None] = {}


def may_have_outbox() -> list[str]:
    """Return the aliases of ``UPNEXT["OUTBOX_DATABASES"]``, else those where routers let the table be."""
    named = conf.get().outbox_databases
    if named is not None:
        return list(named)
    return [alias for alias in connections if router.allow_migrate_model(alias, OutboxEntry)]


def with_outbox() -> list[str]:
    """Return the aliases whose database has the table.

    One that does not answer is left out, unless the table was seen there before. A missing table is
    looked for again after 30 s.
    """
    found = []
    for alias in may_have_outbox():
        try:
            if _has_table(alias, again_s=_LOOK_AGAIN_S):
                found.append(alias)
        except (DatabaseError, InterfaceError):
            connections[alias].close_if_unusable_or_obsolete()
    return found


def has_outbox(alias: str) -> bool:
    """Return whether jobs may be stored in the database ``alias`` now. Raises DatabaseError if it is away."""
    return alias in may_have_outbox() and _has_table(alias, again_s=0.0)


def _has_table(alias: str, *, again_s: float) -> bool:
    connection = connections[alias]
    key = alias, str(connection.settings_dict["NAME"])
    missed_s = _looked.get(key, 0.0)
    if missed_s is None:
        return True
    if again_s and missed_s and time.monotonic() - missed_s < again_s:
        return False
    there = _TABLE in connection.introspection.table_names()
    _looked[key] = None if there else time.monotonic()
    return there
