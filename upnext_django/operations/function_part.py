"""The part of the functions that a person sees, and what he may do with them where others use them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.http import HttpRequest

from upnext_django import conf
from upnext_django.models import FunctionRecord, WorkerRecord
from upnext_django.operations import live
from upnext_django.operations.live import FunctionStanding
from upnext_django.operations.scope import is_bounded, narrows, scoped, visible_functions

__all__ = ["known_functions", "may_choose_queue", "visible_standings"]


def visible_standings(request: HttpRequest, names: Sequence[str]) -> dict[str, FunctionStanding]:
    """Return how functions stand, with the workers that the user may see. Raises RedisUnavailable."""
    found = live.standings(names)
    if not narrows(request, WorkerRecord):
        return found
    rows = scoped(request, WorkerRecord.objects.using(conf.get().database))
    workers = set(rows.values_list("pk", flat=True))
    return {
        name: replace(one, workers=[worker for worker in one.workers if worker in workers])
        for name, one in found.items()
    }


def known_functions(request: HttpRequest) -> frozenset[str] | None:
    """Return the functions that the user may run and make schedules of, None for all of them."""
    return visible_functions(request) if narrows(request, FunctionRecord) else None


def may_choose_queue(request: HttpRequest) -> bool:
    """Return whether the user may send jobs to another queue than a function's own: it may be another's."""
    return not is_bounded(request)
