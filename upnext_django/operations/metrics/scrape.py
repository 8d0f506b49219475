"""One scrape: four round trips to Redis and two queries, however many queues and functions there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from upnext_django import conf
from upnext_django.broker.census import Census
from upnext_django.connection import get_broker
from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations import fleet
from upnext_django.operations.fleet import WorkerReport
from upnext_django.operations.metrics import demand, totals
from upnext_django.operations.metrics.totals import Totals

__all__ = ["Scrape", "scrape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What was found. ``census`` is None where Redis was away, ``totals`` where the database was.

    ``totals`` is None as well where ``has_history`` is False. ``slots`` are the slots that each queue needs,
    ``workers_wanted`` the worker processes; ``workers`` are those that are alive.
    """

    census: Census | None
    has_history: bool
    totals: Totals | None
    workers: Sequence[WorkerReport] = ()
    slots: dict[str, int]
    workers_wanted: int = 1


def scrape() -> Scrape:
    """Read everything now. What is away is left out; raises ImproperlyConfigured for wrong settings."""
    has_history = conf.get().history
    found, mean_s = _history() if has_history else (None, {})
    try:
        census = get_broker().inspector.census()
    except RedisUnavailable:
        return Scrape(census=None, has_history=has_history, totals=found, slots={})
    workers = [report for report in fleet.reports(census.workers, census.now_ms) if report.is_alive]
    slots = demand.slots_wanted(census.queues, workers, mean_s)
    return Scrape(
        census=census,
        has_history=has_history,
        totals=found,
        workers=workers,
        slots=slots,
        workers_wanted=demand.workers_wanted(slots, workers),
    )


def _history() -> tuple[Totals | None, dict[str, float]]:
    try:
        return totals.read(), totals.recent_mean_s(timezone.now())
    except (DatabaseError, InterfaceError):
        # A connection that failed would fail the next request too.
        connections[conf.get().database].close()
        return None, {}
