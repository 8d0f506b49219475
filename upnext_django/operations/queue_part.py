"""The part of the queues that a person sees: Redis knows no user, so it is told by functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest

from upnext_django import conf
from upnext_django.models import FunctionRecord
from upnext_django.operations.live import FunctionPicture, QueuePicture
from upnext_django.operations.scope import visible_functions

__all__ = ["PartOfQueue", "may_pause", "visible_queues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfQueue:
    """A queue as somebody sees it who may see some of its functions.

    ``waiting`` and ``running`` are jobs of those. By priority, suspect, scheduled, retrying and dead jobs,
    the moves that wait and the slots are counted for all of a queue, so they are None. ``is_shared``: it has
    functions that are somebody else's.
    """

    name: str
    paused: bool
    waiting: int
    running: int
    oldest_s: float | None
    functions: Sequence[FunctionPicture]
    truncated: bool
    is_shared: bool
    lanes: None = None
    suspects: None = None
    events: None = None
    scheduled: None = None
    retrying: None = None
    dead: None = None
    slots: None = None
    used: None = None


def visible_queues(
    request: HttpRequest, pictures: Sequence[QueuePicture]
) -> Sequence[QueuePicture | PartOfQueue]:
    """Return what the user may see of ``pictures``: all of them where the site's rule narrows nothing."""
    functions = visible_functions(request)
    if functions is None:
        return pictures
    registered: defaultdict[str, set[str]] = defaultdict(set)
    for function, queue in _registered().values_list("function", "queue"):
        registered[queue].add(function)
    return [
        _part(one, functions, is_shared=not registered[one.name] <= functions)
        for one in pictures
        if registered[one.name] & functions or any(known.function in functions for known in one.functions)
    ]


def may_pause(request: HttpRequest, queue: str) -> bool:
    """Return whether a queue is the user's alone: that all functions registered for it are."""
    functions = visible_functions(request)
    if functions is None:
        return True
    known = set(_registered().filter(queue=queue).values_list("pk", flat=True))
    return bool(known) and known <= functions


def _registered() -> QuerySet[FunctionRecord]:
    return FunctionRecord.objects.using(conf.get().database)


def _part(queue: QueuePicture, functions: frozenset[str], *, is_shared: bool) -> PartOfQueue:
    seen = [one for one in queue.functions if one.function in functions]
    return PartOfQueue(
        name=queue.name,
        paused=queue.paused,
        waiting=sum(one.waiting for one in seen),
        running=sum(one.running for one in seen),
        oldest_s=max((one.oldest_s for one in seen if one.oldest_s is not None), default=None),
        functions=seen,
        truncated=queue.truncated,
        is_shared=is_shared,
    )
