"""Lines: the streams that hold a queue's waiting and running jobs, as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.link import Command

__all__ = ["Line", "commands_of", "first_ms", "lines_of", "oldest_command", "parse_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One stream: the jobs of a function (and limit key) in one lane, or its suspects.

    ``name`` is the stream's without the queue's prefix, ``lane`` "0" to "2", "s" for suspects. ``waiting``
    jobs stand in it and ``running`` have been claimed from it. ``last`` is the entry claimed last.
    """

    name: str
    function: str
    lane: str
    digest: str
    waiting: int
    running: int
    last: str

    @property
    def partition(self) -> str:
        """What its limits count: the function, or the function and the limit key."""
        return f"{self.function}:{self.digest}" if self.digest else self.function


def parse_line(name: str) -> tuple[str, str, str]:
    """Return the function, lane and limit key of a stream's name; "" for what it does not have."""
    kind, _, rest = name.partition(":")
    if kind == "suspects":
        function, _, digest = rest.partition(":")
        return function, "s", digest
    function, _, tail = rest.partition(":")
    lane, _, digest = tail.partition(":")
    return function, lane, digest


def commands_of(keys: QueueKeys, names: Iterable[str]) -> Iterator[Command]:
    """Yield what has to be asked of the streams ``names``: two commands each."""
    for name in names:
        yield [b"XLEN", keys.stream(name)]
        yield [b"XINFO", b"GROUPS", keys.stream(name)]


def lines_of(names: Sequence[str], replies: Sequence[Any]) -> list[Line]:
    """Return the lines of the replies to commands_of(), errors among them as values."""
    lines = []
    for name, length, groups in zip(names, replies[::2], replies[1::2], strict=True):
        # No such stream: the last job of its limit key has left since it was listed.
        if isinstance(length, ResponseError) or isinstance(groups, ResponseError):
            continue
        function, lane, digest = parse_line(name)
        running, last = _group(groups)
        lines.append(
            Line(
                name=name,
                function=function,
                lane=lane,
                digest=digest,
                waiting=max(0, length - running),
                running=running,
                last=last,
            )
        )
    return lines


def oldest_command(keys: QueueKeys, line: Line) -> Command:
    """Return what asks for the job that has waited longest in ``line``."""
    return [b"XRANGE", keys.stream(line.name), f"({line.last}", b"+", b"COUNT", 1]


def first_ms(reply: Any) -> int | None:
    """Return when the first entry of a range was added, None for an error or none."""
    if isinstance(reply, ResponseError) or not reply:
        return None
    entry: bytes = reply[0][0]
    return int(entry.partition(b"-")[0])


def _group(groups: Sequence[Any]) -> tuple[int, str]:
    """Return pending and last-delivered-id of the group "workers"; a stream without it gave nothing out."""
    for flat in groups:
        facts = dict(zip(flat[::2], flat[1::2], strict=True))
        if facts[b"name"] == b"workers":
            return facts[b"pending"], facts[b"last-delivered-id"].decode()
    return 0, "0-0"
