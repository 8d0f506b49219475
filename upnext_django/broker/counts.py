"""The few numbers of a queue and of a function in it that need no stream to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.lines import first_ms
from upnext_django.broker.link import Command

__all__ = ["Limits", "QueueCounts", "counts_commands", "counts_of", "limits_command", "limits_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """The numbers of a queue; ``events`` are those that wait for the mirror."""

    paused: bool
    scheduled: int
    events: int
    first_event_ms: int | None
    next_due_ms: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a function in a queue, as limits.lua reads it; None is no limit."""

    paused: bool = False
    cap: int | None = None
    rate: int | None = None
    window_ms: int | None = None


def counts_commands(keys: QueueKeys) -> list[Command]:
    """Return what has to be asked for a QueueCounts."""
    return [
        [b"EXISTS", keys.paused],
        [b"ZCARD", keys.scheduled],
        [b"XLEN", keys.events],
        [b"ZRANGE", keys.scheduled, 0, 0, b"WITHSCORES"],
        [b"XRANGE", keys.events, b"-", b"+", b"COUNT", 1],
    ]


def counts_of(replies: Sequence[Any]) -> QueueCounts:
    """Return the answer of the replies to counts_commands()."""
    paused, scheduled, events, due, first = replies
    return QueueCounts(
        paused=bool(paused),
        scheduled=scheduled,
        events=events,
        first_event_ms=first_ms(first),
        next_due_ms=int(float(due[1])) if due else None,
    )


def limits_command(keys: QueueKeys, function: str) -> Command:
    """Return what has to be asked for the Limits of a function."""
    return [b"HMGET", keys.function(function), b"paused", b"cap", b"rate", b"window"]


def limits_of(reply: Sequence[bytes | None]) -> Limits:
    """Return the answer of the reply to limits_command()."""
    return Limits(reply[0] is not None, *(None if value is None else int(value) for value in reply[1:]))
