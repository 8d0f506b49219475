"""All checks in their order, each for itself: what cannot be asked does not keep the others from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections
from django.utils.connection import ConnectionDoesNotExist

from upnext_django import conf
from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations.health import database, history, outbox, server, settings, workers
from upnext_django.operations.health.finding import Finding, State

__all__ = ["FAMILIES", "Family", "examine"]

Family = Callable[[], Iterator[Finding]]

#: What a family is called where it cannot be asked, and the family. A new part of the package adds its own.
FAMILIES: tuple[tuple[str, Family], ...] = (
    ("settings", settings.check_settings),
    ("redis", server.check_server),
    ("workers", workers.check_workers),
    ("mirror", history.check_mirror),
    ("database", database.check_database),
    ("dead letters", history.check_dead_letters),
    ("outbox", outbox.check_outbox),
)


def examine(families: Sequence[tuple[str, Family]] = FAMILIES) -> list[Finding]:
    """Return what every check found.

    The first that meets a Redis, a database or settings that do not answer fails; the others that need the
    same are unknown, and are asked nothing that could take its time again.
    """
    findings: list[Finding] = []
    away: dict[str, str] = {}
    for name, family in families:
        findings += _ask(name, family, away)
    return findings


def _ask(name: str, family: Family, away: dict[str, str]) -> list[Finding]:
    found: list[Finding] = []
    known = next((why for what, why in away.items() if name in _NEEDS[what]), None)
    if known is not None:
        return [Finding(name=name, state=State.UNKNOWN, found=f"Not asked: {known}.")]
    try:
        found.extend(family())
    except RedisUnavailable as error:
        away["redis"] = "Redis does not answer"
        return [*found, _failed(name, str(error), "Start it, or correct UPNEXT['REDIS_URL'].")]
    except ImproperlyConfigured as error:
        away["redis"] = away["database"] = "the settings have mistakes"
        return [*found, _failed(name, str(error), "Correct UPNEXT in the settings.")]
    except ConnectionDoesNotExist as error:
        away["database"] = "DATABASES does not have it"
        return [
            *found,
            Finding(name=name, state=State.FAIL, found=str(error), fix="Correct UPNEXT['DATABASE']."),
        ]
    except (DatabaseError, InterfaceError) as error:
        alias = conf.get().database
        connections[alias].close()
        away["database"] = f"the database {alias!r} does not answer"
        fix = f"Start it, and look at DATABASES[{alias!r}]; jobs run without it, and the history catches up."
        return [*found, _failed(name, f"{alias!r}: {error}", fix)]
    return found


def _failed(name: str, found: str, fix: str) -> Finding:
    return Finding(name=name, state=State.FAIL, found=found, fix=fix)


_NEEDS = {"redis": {"redis", "workers", "mirror"}, "database": {"database", "dead letters", "outbox"}}
