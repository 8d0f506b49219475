"""From the rows of schedules to what the ticker ticks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from upnext_django.core.environment import Environment
from upnext_django.declare.registry import registry
from upnext_django.exceptions import UpNextError
from upnext_django.models import Schedule
from upnext_django.models.known import typed_call
from upnext_django.runtime.timetable import Override, Timed
from upnext_django.schedules.definitions import definition_for

__all__ = ["Facts", "needs_registry", "overrides_of", "timed_rows"]

logger = logging.getLogger("upnext.cron")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JUST_BEFORE = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rows are read with: what workers registered, and key -> queue -> last tick in ms."""

    functions: Mapping[str, Mapping[str, Any]]
    last_ticks: Mapping[str, Mapping[str, int]]
    environment: Environment


def needs_registry(rows: Iterable[Schedule]) -> bool:
    """Whether a function of ``rows`` is unknown to this process."""
    return any(registry.find(row.function) is None for row in rows if not row.declared)


def overrides_of(rows: Iterable[Schedule]) -> dict[str, Override]:
    """Return what the rows say of crons declared in code."""
    return {
        row.key: Override(paused=row.paused, since=row.begins_at, revision=row.revision)
        for row in rows
        if row.declared
    }


def timed_rows(rows: Iterable[Schedule], facts: Facts) -> list[Timed]:
    """Return the schedules that tick; one that makes no sense is logged and left out."""
    ticking: list[Timed] = []
    for row in rows:
        if row.declared or row.paused:
            continue
        try:
            ticking.append(_timed(row, facts))
        except (UpNextError, TypeError, msgspec.DecodeError) as error:
            logger.warning("schedule %s makes no jobs until it is corrected: %s", row.name, error)
    return ticking


def _timed(row: Schedule, facts: Facts) -> Timed:
    definition = definition_for(row.function, row.queue, facts.functions, facts.environment)
    args, kwargs = typed_call(definition, row.args, row.kwargs)
    since = row.begins_at
    lasts = facts.last_ticks.get(row.key, {})
    begins = None
    if lasts and definition.queue not in lasts:
        # Its function has moved to another queue, where nothing is known of it yet: it goes on.
        begins = _EPOCH + timedelta(milliseconds=max(lasts.values()))
    if row.starts_at is not None:
        since = max(since, row.starts_at - _JUST_BEFORE)
    return Timed(
        key=row.key,
        name=row.name,
        definition=definition,
        plan=row.plan(),
        args=args,
        kwargs=kwargs,
        priority=row.priority,
        since=since,
        until=row.ends_at,
        begins=begins,
        revision=row.revision,
    )
