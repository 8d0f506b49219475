"""Say which functions a worker knows and how they are limited. See register.lua."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.core.definition import TaskDefinition

__all__ = ["Limit", "call", "limits_of"]

SCRIPT = Script("register")


@dataclass(frozen=True, slots=True)
class Limit:
    """What bounds a function over the cluster: ``cap`` running at once, ``rate`` starts in ``window_ms``."""

    cap: int | None = None
    rate: int | None = None
    window_ms: int | None = None


def limits_of(definitions: Mapping[str, TaskDefinition]) -> dict[str, Limit]:
    """Return the limits of those functions (by identity or alias) that have any."""
    limits = {}
    for name, definition in definitions.items():
        rate = definition.rate_limit
        if definition.is_limited:
            limits[name] = Limit(
                definition.max_concurrency, rate.limit if rate else None, rate.window_ms if rate else None
            )
    return limits


def call(
    keys: QueueKeys,
    capability: str,
    functions: Iterable[str],
    *,
    limits: Mapping[str, Limit] | None = None,
    announce: bool = False,
) -> Call[bool]:
    """Register; True if this capability was new in the queue.

    ``limits`` are those of the functions that have any. They are written if the capability is new, or
    with ``announce``.
    """
    arguments: list[bytes | str | int] = [capability, int(announce)]
    for function in sorted(functions):
        limit = (limits or {}).get(function, Limit())
        arguments.append(function)
        arguments += ("" if value is None else value for value in (limit.cap, limit.rate, limit.window_ms))
    return Call(SCRIPT, keys.prefix, arguments, bool)
