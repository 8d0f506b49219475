"""What a page needs and does not get: Redis, the database of the history, settings without a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError
from django.utils.connection import ConnectionDoesNotExist
from django.utils.translation import gettext as _

from upnext_django import conf
from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations.health.database import migrate_command, unapplied

__all__ = ["AWAY", "Cause", "Need", "cause_of"]

#: What may mean that something is away; cause_of() tells whether it does.
AWAY: Final = (
    RedisUnavailable,
    ImproperlyConfigured,
    OperationalError,
    InterfaceError,
    ProgrammingError,
    ConnectionDoesNotExist,
)


class Need(Enum):
    """What a page needs."""

    REDIS = "redis"
    SETTINGS = "settings"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Cause:
    """What is away, as it was told (``text``), and the way out, "" where the text has it."""

    of: Need
    text: str
    way_out: str = ""

    @property
    def what(self) -> str:
        match self.of:
            case Need.REDIS:
                return _("Redis is not available")
            case Need.SETTINGS:
                return _("The settings are not complete")
            case Need.DATABASE:
                return _("The database of the history is not available")

    def __str__(self) -> str:
        return f"{self.text} {self.way_out}".strip()


def cause_of(error: BaseException) -> Cause | None:
    """Return what is away, None for an error that says something else, like a query with a mistake."""
    match error:
        case RedisUnavailable():
            return Cause(Need.REDIS, str(error))
        case ImproperlyConfigured():
            return Cause(Need.SETTINGS, str(error))
        case ConnectionDoesNotExist():
            way_out = _("Correct UPNEXT['DATABASE'] or DATABASES in the settings.")
            return Cause(Need.DATABASE, str(error), way_out)
        case OperationalError() | InterfaceError() | ProgrammingError():
            return _of_database(error)
    return None


def _of_database(error: DatabaseError | InterfaceError) -> Cause | None:
    alias = conf.get().database
    text = f"{alias!r}: {_end_with_dot(str(error))}"
    if isinstance(error, ProgrammingError) or "no such" in str(error):
        # It answers, so it may be asked what it lacks.
        missing = _missing(alias)
        if not missing:
            return None
        way_out = _("Tables or columns are missing; run: %(command)s") % {"command": migrate_command(alias)}
        return Cause(Need.DATABASE, text, way_out)
    way_out = _(
        "See that it runs, is quick to answer and holds no long lock, and look at DATABASES[%(alias)r]. "
        "Jobs run without it, and the history catches up."
    ) % {"alias": alias}
    return Cause(Need.DATABASE, text, way_out)


def _missing(alias: str) -> list[str]:
    try:
        return unapplied(alias)
    except (DatabaseError, InterfaceError):
        return []


def _end_with_dot(text: str) -> str:
    stripped = " ".join(text.split())
    return stripped if stripped.endswith((".", "!", "?")) else f"{stripped}."
