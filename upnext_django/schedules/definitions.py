"""The functions of schedules, as far as a tick must know them: without their code, if need be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.environment import Environment
from upnext_django.core.stand_in import stand_in
from upnext_django.declare.registry import registry

__all__ = ["definition_for", "registered"]

#: Of TASK_DEFAULTS, what the job of an unknown function can carry.
_CARRIED = ("retries", "timeout", "priority", "expires")
_ANY_CALL = [
    {"name": "args", "kind": "args", "required": False},
    {"name": "kwargs", "kind": "kwargs", "required": False},
]


def registered(function: str, functions: Mapping[str, Mapping[str, Any]]) -> TaskDefinition | None:
    """Return the stand-in of an identity or alias in the registry of workers, None if it has none."""
    told = functions.get(function)
    if told is None:
        told = next((one for one in functions.values() if function in one.get("aliases", ())), None)
    return None if told is None else stand_in(msgspec.json.encode(told))


def definition_for(
    function: str, queue: str, functions: Mapping[str, Mapping[str, Any]], environment: Environment
) -> TaskDefinition:
    """Return what makes the jobs of a schedule of ``function``, in ``queue`` ("" for the function's own).

    It is this process's task, else what workers registered in ``functions``, else a function that takes
    any call, with the defaults of a task: its jobs wait for a worker that knows it. A function whose
    limits or cache are counted in its own queue stays there. Raises DefinitionError or
    msgspec.DecodeError for a registration that makes no sense.
    """
    task = registry.find(function)
    if task is not None:
        definition = task.definition
    else:
        definition = registered(function, functions) or _unknown(function, environment)
    if queue and queue != definition.queue and definition.may_change_queue:
        definition = replace(definition, queue=queue)
    return replace(definition, kind="cron")


def _unknown(function: str, environment: Environment) -> TaskDefinition:
    defaults = environment.task_defaults
    told = {
        "timeout": 1800,
        **{name: defaults[name] for name in _CARRIED if name in defaults},
        "function": function,
        "function_name": function.rpartition(".")[2] or function,
        "kind": "task",
        "queue": environment.default_queue,
        "source": "unknown place",
        "parameters": _ANY_CALL,
    }
    return stand_in(msgspec.json.encode(told))
