"""The whole namespace at one look: what metrics and readiness are made of.

Each round trip asks all queues at once, so a scrape costs the same number of them for two queues and two
hundred. Like all looks it is bounded: of very many limit keys only so many lines are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upnext_django.broker.counts import (
    Limits,
    QueueCounts,
    counts_commands,
    counts_of,
    limits_command,
    limits_of,
)
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.broker.lines import Line, commands_of, first_ms, lines_of, oldest_command
from upnext_django.broker.link import Command, SyncLink

__all__ = ["Census", "QueueCensus", "take"]

_DOING = "taking a census"


@dataclass(slots=True, kw_only=True)
class QueueCensus:
    """One queue. ``lines`` are those that hold jobs; ``truncated``: there are more than were read.

    ``oldest_ms`` says of a function since when its first job waits, ``dead`` how many dead letters wait for
    a decision (functions without any are left out), ``limits`` what bounds it.
    """

    name: str
    counts: QueueCounts
    lines: Sequence[Line] = ()
    truncated: bool = False
    oldest_ms: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """``now_ms`` is the time of Redis; ``workers`` are as they told of themselves, by id.

    ``mirror`` is who writes the history, None if nobody does.
    """

    now_ms: int
    workers: Mapping[str, Mapping[str, Any]]
    functions: Sequence[str]
    mirror: str | None
    queues: Sequence[QueueCensus]

    @property
    def mirror_lag_s(self) -> float:
        """How long the oldest move of all queues has waited for the mirror, 0 for none."""
        firsts = [one.counts.first_event_ms for one in self.queues if one.counts.first_event_ms is not None]
        return max(0.0, (self.now_ms - min(firsts)) / 1000) if firsts else 0.0


def take(link: SyncLink, namespace: str, *, lines: bool, most: int) -> Census:
    """Return the census; ``most`` lines a queue. See Inspector.census()."""
    names = NamespaceKeys(namespace)
    time, queues, told, functions, mirror = link.pipeline(
        [
            [b"TIME"],
            [b"SMEMBERS", names.queues],
            [b"HGETALL", names.workers],
            [b"HKEYS", names.functions],
            [b"GET", names.mirror_lease],
        ],
        doing=_DOING,
    )
    known = sorted(one.decode() for one in functions)
    found = _Queues(link, namespace, sorted(queue.decode() for queue in queues), most)
    if lines:
        found.read_lines(known)
        found.read_heads()
    return Census(
        now_ms=int(time[0]) * 1000 + int(time[1]) // 1000,
        workers={
            worker.decode(): json.loads(about) for worker, about in zip(told[::2], told[1::2], strict=True)
        },
        functions=known,
        mirror=None if mirror is None else mirror.decode(),
        queues=[one for _, one in found.each],
    )


class _Queues:
    """The queues of a census while it is taken; each method is one round trip."""

    def __init__(self, link: SyncLink, namespace: str, queues: Sequence[str], most: int) -> None:
        self._link = link
        self._most = most
        keys = [QueueKeys(namespace, queue) for queue in queues]
        replies = self._ask(
            [[*counts_commands(one), [b"SSCAN", one.streams, 0, b"COUNT", most]] for one in keys]
        )
        self.each: list[tuple[QueueKeys, QueueCensus]] = []
        self._streams: list[list[str]] = []
        for one, answers in zip(keys, replies, strict=True):
            cursor, members = answers.pop()
            streams = sorted({member.decode() for member in members})
            self._streams.append(streams[:most])
            truncated = int(cursor) != 0 or len(streams) > most
            self.each.append(
                (one, QueueCensus(name=one.queue, counts=counts_of(answers), truncated=truncated))
            )

    def read_lines(self, functions: Sequence[str]) -> None:
        """Read the lines, and the dead letters of ``functions``."""
        replies = self._ask(
            [
                [*commands_of(keys, streams), *_dead_commands(keys, functions)]
                for (keys, _), streams in zip(self.each, self._streams, strict=True)
            ]
        )
        for (_, queue), streams, answers in zip(self.each, self._streams, replies, strict=True):
            dead = answers[2 * len(streams) :]
            queue.lines = [
                line
                for line in lines_of(streams, answers[: 2 * len(streams)])
                if line.waiting or line.running
            ]
            queue.dead = {name: count for name, count in zip(functions, dead, strict=True) if count}

    def read_heads(self) -> None:
        """Read since when jobs wait, and what bounds their functions."""
        waiting = [[line for line in queue.lines if line.waiting] for _, queue in self.each]
        functions = [sorted({line.function for line in lines}) for lines in waiting]
        replies = self._ask(
            [
                [
                    *(oldest_command(keys, line) for line in lines),
                    *(limits_command(keys, name) for name in names),
                ]
                for (keys, _), lines, names in zip(self.each, waiting, functions, strict=True)
            ]
        )
        for (_, queue), lines, names, answers in zip(self.each, waiting, functions, replies, strict=True):
            for line, reply in zip(lines, answers[: len(lines)], strict=True):
                ms = first_ms(reply)
                if ms is not None:
                    queue.oldest_ms[line.function] = min(ms, queue.oldest_ms.get(line.function, ms))
            queue.limits = dict(zip(names, map(limits_of, answers[len(lines) :]), strict=True))

    def _ask(self, by_queue: Sequence[Sequence[Command]]) -> list[list[Any]]:
        """Send the commands of all queues in one write; the replies by queue, errors among them."""
        flat = [command for commands in by_queue for command in commands]
        replies = iter(self._link.pipeline(flat, doing=_DOING, keep_errors=True) if flat else ())
        return [[next(replies) for _ in commands] for commands in by_queue]


def _dead_commands(keys: QueueKeys, functions: Sequence[str]) -> list[Command]:
    return [[b"ZCARD", keys.dead(name)] for name in functions]
