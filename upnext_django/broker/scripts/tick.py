"""Make the jobs of schedules, each tick once. See tick.lua."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from upnext_django.broker.keys import QueueKeys, stream_name
from upnext_django.broker.script import Call, Script
from upnext_django.core.job import NewJob
from upnext_django.exceptions import Backpressure

__all__ = ["BATCH", "Mark", "Tick", "TickAnswer", "TickReply", "Ticks", "ask", "call"]

#: Ticks in one round trip, as in a submit.
BATCH = 200

SCRIPT = Script("tick")


class TickAnswer(StrEnum):
    """What became of one tick."""

    ACCEPTED = "ACCEPTED"
    KNOWN = "KNOWN"  # an earlier call made it, or a later tick of its schedule
    EARLY = "EARLY"  # Redis's clock has not come to it
    ASKED = "ASKED"
    OUTDATED = "OUTDATED"  # the schedule's row was changed or deleted since the caller read it


@dataclass(frozen=True, slots=True)
class Mark:
    """What a caller knows of the schedule ``name``.

    ``since_ms`` is when it begins if Redis knows no tick of it, None for now. ``revision`` is that of its
    row, None where there is no row or the caller knows of none.
    """

    name: str
    since_ms: int | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """One run of a schedule at ``at_ms``, and the job to make for it.

    Of the job, its time, key, parent and client mean nothing here: it waits in its stream at once.
    """

    mark: Mark
    at_ms: int
    job: NewJob


@dataclass(frozen=True, slots=True)
class TickReply:
    """``last_ms`` is the last tick of the schedule that was made, or when it was first asked for."""

    last_ms: int
    answer: TickAnswer


@dataclass(frozen=True, slots=True)
class Ticks:
    """Redis's time and a reply for each item, in order."""

    now_ms: int
    replies: list[TickReply]


def ask(keys: QueueKeys, marks: Sequence[Mark], *, history: bool, max_events: int) -> Call[Ticks]:
    """Learn the last ticks of schedules. Raises Backpressure where none would be accepted."""
    items: list[bytes | str | int] = []
    for mark in marks:
        items += (mark.name, "", _or_empty(mark.since_ms), _or_empty(mark.revision), "", "", "", "", "", "")
    return _call(keys, items, history, max_events)


def call(keys: QueueKeys, ticks: Sequence[Tick], *, history: bool, max_events: int) -> Call[Ticks]:
    """Make up to ``BATCH`` ticks, those of a schedule in order. Raises Backpressure as a submit does."""
    items: list[bytes | str | int] = []
    for tick in ticks:
        job = tick.job
        items += (
            tick.mark.name,
            tick.at_ms,
            _or_empty(tick.mark.since_ms),
            _or_empty(tick.mark.revision),
            job.id,
            stream_name(job.function, job.lane, job.digest),
            _or_empty(job.expires_ms),
            job.envelope,
            job.shown or b"",
            job.cache,
        )
    return _call(keys, items, history, max_events)


def _or_empty(number: int | None) -> int | str:
    return "" if number is None else number


def _call(keys: QueueKeys, items: Sequence[bytes | str | int], history: bool, max_events: int) -> Call[Ticks]:
    fixed: list[bytes | str | int] = [int(history), max_events]
    return Call(SCRIPT, keys.prefix, [*fixed, *items], _parse)


def _parse(reply: list[Any]) -> Ticks:
    if reply[0] == b"BACKPRESSURE":
        raise Backpressure(
            f"{reply[1]} events wait for the mirror; UPNEXT['MAX_EVENTS'] allows no more; no tick was made. "
            "Is the database up and a worker (or upnext_mirror) running?"
        )
    return Ticks(
        int(reply[0]),
        [
            TickReply(int(last), TickAnswer(answer.decode()))
            for last, answer in zip(reply[1::2], reply[2::2], strict=True)
        ],
    )
