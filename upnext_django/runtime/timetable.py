"""The schedules that a worker process makes ticks of: those in its code, and those that are rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.missed import CronPlan

__all__ = ["Override", "Timed", "Timetable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One schedule, with all that its jobs are made of.

    ``key`` is what Redis calls it, ``name`` what people do. ``definition`` may be a stand-in for a
    function that this process does not have. Runs up to ``since`` are not its, nor those after
    ``until``. ``begins`` is where it goes on if Redis knows no tick of it, None for now. ``revision`` is
    that of its row, None where there is none.
    """

    key: str
    name: str
    definition: TaskDefinition
    plan: CronPlan
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    begins: datetime | None = None
    revision: int | None = None

    @classmethod
    def declared(cls, definition: TaskDefinition) -> Timed:
        """Return the schedule of a cron declared in code."""
        assert definition.cron is not None
        function = definition.function
        return cls(key=function, name=function, definition=definition, plan=definition.cron)


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a row says of a cron declared in code."""

    paused: bool
    since: datetime
    revision: int


class Timetable:
    """What the ticker reads and what reads the rows replaces, each in its thread.

    ``changed`` is set when there is something new for the ticker, ``outdated`` when Redis said that
    a row was changed.
    """

    def __init__(self, crons: Iterable[TaskDefinition] = ()) -> None:
        self._declared = tuple(Timed.declared(definition) for definition in crons)
        self._entries = self._declared
        self.changed = threading.Event()
        self.outdated = threading.Event()

    @property
    def entries(self) -> Sequence[Timed]:
        """The schedules to tick now."""
        return self._entries

    def replace(self, rows: Iterable[Timed], overrides: Mapping[str, Override]) -> None:
        """Tick ``rows`` from now on beside the crons in code, those under ``overrides`` as these say."""
        declared = [_under(timed, overrides.get(timed.key)) for timed in self._declared]
        entries = (*(timed for timed in declared if timed is not None), *rows)
        if entries != self._entries:
            self._entries = entries
            self.changed.set()


def _under(timed: Timed, override: Override | None) -> Timed | None:
    if override is None:
        return timed
    if override.paused:
        return None
    return replace(timed, since=override.since, revision=override.revision)
