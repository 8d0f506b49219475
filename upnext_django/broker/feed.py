"""The feed of moves, ``un:{NS}:feed``, which the mirror writes after each commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upnext_django.broker.clients import Clients
from upnext_django.broker.keys import NamespaceKeys
from upnext_django.broker.link import AsyncLink
from upnext_django.core.job import JobMove
from upnext_django.core.moves import MoveError, parse_move

__all__ = ["Feed", "FeedEntry", "Follower"]


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """The moves of one script call in one queue. ``id`` is that of the feed, not of the queue's events."""

    id: str
    queue: str
    moves: Sequence[JobMove]


class Feed:
    """The feed of a namespace; on the connection of the running loop."""

    def __init__(self, clients: Clients, names: NamespaceKeys) -> None:
        self._clients = clients
        self._names = names

    async def newest(self) -> str:
        """Return the id of the newest entry, "0-0" if there has never been one."""
        reply = await self._clients.current().execute(
            [b"XREVRANGE", self._names.feed, b"+", b"-", b"COUNT", 1], doing="asking for the newest move"
        )
        newest: str = reply[0][0].decode() if reply else "0-0"
        return newest

    async def since(self, entry: str, *, most: int) -> list[FeedEntry]:
        """Return up to ``most`` entries from ``entry`` on, itself among them if it is still kept."""
        reply = await self._clients.current().execute(
            [b"XRANGE", self._names.feed, entry, b"+", b"COUNT", most], doing="reading the feed"
        )
        return [_entry(*one) for one in reply]

    def follower(self) -> Follower:
        """Return a reader that waits for new entries, on a connection of its own."""
        return Follower(self._clients.url, self._names.feed)


class Follower:
    """Waits for what comes into the feed. For one task."""

    def __init__(self, url: str, key: str) -> None:
        self._link = AsyncLink(url)
        self._key = key

    async def after(self, entry: str, *, most: int, wait_s: float) -> list[FeedEntry]:
        """Return up to ``most`` entries after ``entry``, [] if none came within ``wait_s`` seconds."""
        reply = await self._link.execute(
            [b"XREAD", b"COUNT", most, b"BLOCK", int(wait_s * 1000), b"STREAMS", self._key, entry],
            timeout_s=wait_s + 2.0,
            doing="following the feed",
        )
        return [_entry(*one) for one in reply[0][1]] if reply else []

    async def close(self) -> None:
        """Drop the connection."""
        await self._link.close()


def _entry(entry_id: bytes, fields: Sequence[Any]) -> FeedEntry:
    # The first pair names the queue, see EventReader.ack().
    moves = []
    for job_id, value in zip(fields[2::2], fields[3::2], strict=True):
        try:
            moves.append(parse_move(job_id, value))
        except MoveError:
            continue  # the mirror has logged it
    return FeedEntry(entry_id.decode(), fields[1].decode(), moves)
