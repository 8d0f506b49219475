"""What is known of a function outside of a worker, and whether a kept call fits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.stand_in import stand_in
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError
from upnext_django.models.function import FunctionRecord

__all__ = ["known_definition", "known_definitions", "typed_call"]


def known_definition(function: str, *, using: str = "default") -> TaskDefinition | None:
    """Return the definition of an identity or alias; None if neither this process nor a row has it.

    From a row it is a stand-in: arguments are checked by name, not by type.
    """
    return known_definitions([function], using=using).get(function)


def known_definitions(functions: Iterable[str], *, using: str = "default") -> dict[str, TaskDefinition]:
    """Return the definitions of those of ``functions`` that are known; one query. See known_definition()."""
    found: dict[str, TaskDefinition] = {}
    elsewhere = []
    for function in functions:
        task = registry.find(function)
        if task is not None:
            found[function] = task.definition
        else:
            elsewhere.append(function)
    records = FunctionRecord.objects.using(using).filter(pk__in=elsewhere) if elsewhere else ()
    for record in records:
        try:
            found[record.function] = stand_in(msgspec.json.encode(record.definition))
        except (msgspec.DecodeError, ValueError):
            # Written by a version whose registry says less; it is as good as unknown.
            continue
    return found


def typed_call(
    definition: TaskDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments that are kept as plain JSON as the types that the function's annotations name.

    Raises TypeError for a call that the function does not take, ArgumentError for a value that does not
    fit, does not fill a key template, or is sensitive and must not be kept.
    """
    signature = definition.signature
    signature.bind(args, kwargs)
    raw = signature.encode(args, kwargs, max_bytes=ports.get_environment().max_payload_bytes)
    typed_args, typed_kwargs = signature.decode(raw)
    given = {*signature.names[: len(typed_args)], *typed_kwargs}
    for name in definition.sensitive:
        if name in given:
            raise ArgumentError(
                f"argument {name!r} of {definition.function} is sensitive, and a schedule keeps its "
                "arguments in plain text; give the parameter a default and have the function read the value.",
                argument=name,
            )
    if definition.limit_key is not None:
        definition.render(definition.limit_key, signature.named(typed_args, typed_kwargs))
    return typed_args, typed_kwargs
