"""What programs elsewhere may start: functions that are declared with ``api=True``, and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from upnext_django import conf
from upnext_django.core.names import check_name
from upnext_django.declare.event import EventCall
from upnext_django.declare.options import NO_OVERRIDES
from upnext_django.declare.registry import registry
from upnext_django.exceptions import NotForApi, UnknownTask
from upnext_django.models import FunctionRecord
from upnext_django.operations import audit
from upnext_django.operations.once import ANY_TURN, Turn
from upnext_django.operations.parameters import facts_of
from upnext_django.operations.run_now import run_now

__all__ = ["send", "submit"]


def submit(
    function: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    by: object = None,
    delay: float | None = None,
    priority: int | None = None,
    queue: str | None = None,
    turn: Turn = ANY_TURN,
) -> str:
    """Submit a job as run_now() does, of a function that the API may start. Raises NotForApi too."""
    if not facts_of(function, using=conf.get().database).get("api"):
        raise NotForApi(_closed([function]))
    return run_now(function, args, kwargs, by=by, delay=delay, priority=priority, queue=queue, turn=turn)


def send(
    event: str,
    data: Mapping[str, Any],
    *,
    by: object = None,
    turn: Turn = ANY_TURN,
    known: frozenset[str] | None = None,
) -> list[str]:
    """Send an event to all its handlers and return the ids of their jobs.

    Raises UnknownTask for an event without handlers, NotForApi where one of them may not be started by the
    API, or is not in ``known``, the functions that the caller may run (None: all of them): none of them is
    then. Raises TypeError where the data lack what a handler requires, and
    ArgumentError for what cannot be sent.
    """
    name = check_name("event", event)
    own = registry.handlers(name)
    worker = own[0].worker if own else registry.default_worker()
    call = EventCall(worker, name, NO_OVERRIDES)
    handlers = call.handlers_sync()
    if not handlers:
        raise UnknownTask(f"No function handles an event {name!r}, in this process or in a worker.")
    if known is not None and not {handler.function for handler in handlers} <= known:
        raise NotForApi(f"The event {name!r} has handlers that you may not run; ask who may.")
    closed = [handler.function for handler in handlers if not handler.api]
    if closed:
        raise NotForApi(_closed(closed))
    jobs = call.send_named_sync(data, turn.named)
    names = {handler.function: handler.function for handler in handlers}
    audit.note(by, f"run by the event {name}", model=FunctionRecord, objects=names)
    return jobs


def _closed(functions: Sequence[str]) -> str:
    return (
        f"{', '.join(functions)} may not be started through the API; declare it with "
        "@worker.task(api=True) if it should be."
    )
