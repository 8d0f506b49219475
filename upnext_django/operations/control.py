"""Pause and resume functions and queues. What waits stays, what runs goes on."""

from __future__ import annotations

from difflib import get_close_matches

from django.db.models import Model

from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.declare.registry import registry
from upnext_django.exceptions import UnknownQueue, UnknownTask
from upnext_django.models import FunctionRecord, Queue
from upnext_django.operations import audit

__all__ = [
    "pause_function",
    "pause_queue",
    "paused_functions",
    "paused_queues",
    "resume_function",
    "resume_queue",
]


def pause_function(name: str, *, by: object = None) -> bool:
    """Let no job of a function begin, in any queue; True unless it was paused already.

    ``name`` is the identity or an alias, ``by`` who asked. Raises UnknownTask for a name that neither
    this process nor a worker knows.
    """
    return _switch_function(name, True, by)


def resume_function(name: str, *, by: object = None) -> bool:
    """Let the jobs of a function begin again; True if it was paused. See pause_function()."""
    return _switch_function(name, False, by)


def pause_queue(name: str, *, by: object = None) -> bool:
    """Let no job of a queue begin; True unless it was paused already. Raises UnknownQueue."""
    return _switch_queue(name, True, by)


def resume_queue(name: str, *, by: object = None) -> bool:
    """Let the jobs of a queue begin again; True if it was paused. Raises UnknownQueue."""
    return _switch_queue(name, False, by)


def paused_functions() -> list[str]:
    """Return the identities of the paused functions that this process or a worker knows."""
    broker = get_broker()
    known = {task.definition.function for task in registry.tasks} | broker.functions().keys()
    return broker.operator.paused_functions_sync(known)


def paused_queues() -> list[str]:
    """Return the names of the paused queues."""
    return get_broker().operator.paused_queues_sync()


def _switch_function(name: str, paused: bool, by: object) -> bool:
    broker = get_broker()
    function, own_queue = _function(name)
    # A job may be in any queue that its submitter named.
    settings = conf.get()
    queues = {*broker.operator.queues_sync(), *registry.queues(), *settings.queues, own_queue}
    changed = [broker.operator.pause_sync(queue, function, paused=paused) for queue in sorted(queues)]
    _note(by, paused, FunctionRecord, function)
    return any(changed)


def _switch_queue(name: str, paused: bool, by: object) -> bool:
    broker = get_broker()
    settings = conf.get()
    known = {*broker.operator.queues_sync(), *registry.queues(), settings.default_queue, *settings.queues}
    if name not in known:
        raise UnknownQueue(
            f"Nothing was ever submitted to the queue {name!r}, no worker served it and nothing declares it; "
            f"known are {', '.join(sorted(known))}."
        )
    changed = broker.operator.pause_sync(name, None, paused=paused)
    _note(by, paused, Queue, name)
    return changed


def _function(name: str) -> tuple[str, str]:
    """Return the identity and the queue of a function by its identity or an alias."""
    task = registry.find(name)
    if task is not None:
        return task.definition.function, task.definition.queue
    registered = get_broker().functions()
    for function, facts in registered.items():
        if name == function or name in facts.get("aliases", ()):
            return function, facts["queue"]
    known = {one.definition.function for one in registry.tasks} | registered.keys()
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise UnknownTask(
        f"No task {name!r} in this process or in a worker's registry; {hint}A function is named by its "
        "module and name, like 'shop.tasks.send'."
    )


def _note(by: object, paused: bool, model: type[Model], name: str) -> None:
    audit.note(by, "paused" if paused else "resumed", model=model, objects={name: name})
