"""Whether jobs that are submitted now will run and be seen: cheap enough to be asked every few seconds.

Two round trips to Redis and one query, however much there is; the doctor looks deeper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import connections

from upnext_django import conf
from upnext_django.broker.census import Census
from upnext_django.connection import get_broker
from upnext_django.operations import fleet
from upnext_django.operations.health.database import migrate_command, unapplied
from upnext_django.operations.health.finding import Finding, State
from upnext_django.operations.health.history import LATE_S
from upnext_django.operations.health.report import Family, examine

__all__ = ["is_ready", "readiness"]

_NO_MIRROR = "Start a worker without --no-mirror, or python manage.py upnext_mirror."
#: Databases, by alias and name, that had every migration: none is taken back beneath a running process.
_migrated: set[tuple[str, str]] = set()


def readiness() -> list[Finding]:
    """Return what was found of Redis, workers, mirror, database and migrations."""
    return examine(_FAMILIES)


def is_ready(findings: Sequence[Finding]) -> bool:
    """Return whether all is well: nothing failed, and there is nothing that could not be asked."""
    return all(finding.state is State.OK for finding in findings)


def _namespace() -> Iterator[Finding]:
    broker = get_broker()
    census = broker.inspector.census(lines=False)
    yield Finding(name="redis", state=State.OK, found="It answers.")
    yield _workers(census)
    if conf.get().history:
        yield _mirror(census)


def _workers(census: Census) -> Finding:
    told = fleet.reports(census.workers, census.now_ms)
    count = sum(report.is_alive and report.takes_work for report in told)
    if count:
        return Finding(name="workers", state=State.OK, found=f"{count} alive and take work.")
    return Finding(
        name="workers",
        state=State.FAIL,
        found="None is alive and takes work.",
        fix="Start one: python manage.py upnext_worker.",
    )


def _mirror(census: Census) -> Finding:
    late_s = census.mirror_lag_s
    if census.mirror is None:
        found = f"No mirror is running; the oldest move waits for {late_s:.0f} s."
        return Finding(name="mirror", state=State.FAIL, found=found, fix=_NO_MIRROR)
    if late_s > LATE_S:
        return Finding(
            name="mirror",
            state=State.FAIL,
            found=f"The history is {late_s:.0f} s behind, more than {LATE_S:.0f} s.",
            fix="Look at the mirror's log and at the load of the database.",
        )
    return Finding(name="mirror", state=State.OK, found=f"The history is {late_s:.0f} s behind.")


def _database() -> Iterator[Finding]:
    settings = conf.get()
    if not settings.history:
        return
    alias = settings.database
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
    yield Finding(name="database", state=State.OK, found=f"{alias!r} answers.")
    known = alias, str(connections[alias].settings_dict["NAME"])
    missing = [] if known in _migrated else unapplied(alias)
    if missing:
        yield Finding(
            name="migrations",
            state=State.FAIL,
            found=f"{len(missing)} of upnext_django are not applied to {alias!r}.",
            fix=migrate_command(alias),
        )
    else:
        _migrated.add(known)
        yield Finding(name="migrations", state=State.OK, found=f"All are applied to {alias!r}.")


_FAMILIES: tuple[tuple[str, Family], ...] = (("redis", _namespace), ("database", _database))
