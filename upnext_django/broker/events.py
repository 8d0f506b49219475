"""The mirror's side of the event streams: read in order, acknowledge after the commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from upnext_django.broker import lease
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.broker.lease import LeaseAnswer
from upnext_django.broker.link import Command, SyncLink
from upnext_django.core.job import JobMove
from upnext_django.core.moves import MoveError, parse_move

__all__ = ["EventBatch", "EventReader"]

_GROUP = b"mirror"
#: One consumer for all mirrors: what a dead one had read and not acknowledged is everybody's.
_CONSUMER = b"mirror"
_FEED_LENGTH = 100_000


@dataclass(frozen=True, slots=True)
class EventBatch:
    """The moves of one script call in one queue; ``broken`` are values that could not be read."""

    queue: str
    entry_id: str
    moves: list[JobMove]
    broken: tuple[bytes, ...] = ()


class EventReader:
    """Reads the events of all queues for one thread, on a connection of its own."""

    def __init__(self, url: str, namespace: str) -> None:
        self._keys = NamespaceKeys(namespace)
        self._namespace = namespace
        self._link = SyncLink(url, timeout_s=10.0)
        self._queues: list[str] = []
        self._grouped: set[str] = set()
        self._replay = True
        self._raw: dict[tuple[str, str], list[bytes]] = {}

    def read(self, count: int, block_ms: int) -> list[EventBatch]:
        """Return up to ``count`` batches a queue, in order within a queue; [] after ``block_ms``.

        The first reads give what an earlier mirror had read but not acknowledged.
        """
        self._find_queues()
        if not self._queues:
            # Nothing was ever submitted here; look again after the block, as a read would.
            self._link.execute([b"BLPOP", f"{self._keys.prefix}never", max(block_ms, 1) / 1000])
            return []
        keys = [QueueKeys(self._namespace, queue).events for queue in self._queues]
        last = b"0" if self._replay else b">"
        command: list[bytes | str | int] = [b"XREADGROUP", b"GROUP", _GROUP, _CONSUMER, b"COUNT", count]
        if not self._replay:
            command += [b"BLOCK", max(block_ms, 1)]
        command += [b"STREAMS", *keys, *(last for _ in keys)]
        try:
            reply = self._link.execute(command, doing="reading events", repeat=False)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._grouped.clear()
            return []
        batches = self._batches(reply or [])
        if self._replay and not batches:
            self._replay = False
            return self.read(count, block_ms)
        return batches

    def ack(self, batches: Sequence[EventBatch], *, ttls: Iterable[tuple[str, str, int]] = ()) -> None:
        """Forget committed batches: feed, then the terminal jobs' TTLs, then acknowledge and delete.

        ``ttls`` is (queue, job id, ms). Dying between the steps repeats them, which changes nothing.
        """
        commands: list[Command] = []
        for batch in batches:
            raw = self._raw.pop((batch.queue, batch.entry_id), None)
            if raw:
                commands.append(
                    [
                        b"XADD",
                        self._keys.feed,
                        b"MAXLEN",
                        b"~",
                        _FEED_LENGTH,
                        b"*",
                        b"queue",
                        batch.queue,
                        *raw,
                    ]
                )
        for queue, job_id, ttl_ms in ttls:
            commands.append([b"PEXPIRE", QueueKeys(self._namespace, queue).job(job_id), max(ttl_ms, 1)])
        by_queue: dict[str, list[str]] = {}
        for batch in batches:
            by_queue.setdefault(batch.queue, []).append(batch.entry_id)
        for queue, ids in by_queue.items():
            key = QueueKeys(self._namespace, queue).events
            commands.append([b"XACK", key, _GROUP, *ids])
            commands.append([b"XDEL", key, *ids])
        if commands:
            self._link.pipeline(commands, doing="acknowledging events")

    def lag(self) -> int:
        """Return how many entries wait for the mirror, over all queues."""
        self._find_queues()
        commands: list[Command] = [[b"XLEN", QueueKeys(self._namespace, q).events] for q in self._queues]
        return sum(self._link.pipeline(commands, doing="measuring the mirror's lag")) if commands else 0

    def lease(self, owner: str, ttl_ms: int) -> bool:
        """Take or renew the lease of the one active mirror; False if another holds it."""
        answer = lease.take(self._link, self._keys.mirror_lease, owner, ttl_ms)
        if answer is LeaseAnswer.TAKEN:
            # Whoever had it before may have read entries without acknowledging them.
            self._replay = True
            self._raw.clear()
        return answer is not LeaseAnswer.HELD

    def release(self, owner: str) -> None:
        lease.drop(self._link, self._keys.mirror_lease, owner)

    def close(self) -> None:
        self._link.close()

    def _find_queues(self) -> None:
        known = self._link.execute([b"SMEMBERS", self._keys.queues], doing="listing queues")
        self._queues = sorted(queue.decode() for queue in known)
        for queue in self._queues:
            if queue not in self._grouped:
                key = QueueKeys(self._namespace, queue).events
                try:
                    self._link.execute([b"XGROUP", b"CREATE", key, _GROUP, b"0", b"MKSTREAM"])
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise
                self._grouped.add(queue)

    def _batches(self, reply: Sequence[Any]) -> list[EventBatch]:
        by_key = {QueueKeys(self._namespace, q).events.encode(): q for q in self._queues}
        batches = []
        for key, entries in reply:
            queue = by_key[bytes(key)]
            for entry_id, fields in entries:
                name = entry_id.decode()
                self._raw[(queue, name)] = fields or []
                batches.append(_parse(queue, name, fields or []))
        return batches


def _parse(queue: str, entry_id: str, fields: Sequence[bytes]) -> EventBatch:
    moves: list[JobMove] = []
    broken: list[bytes] = []
    for job_id, value in zip(fields[::2], fields[1::2], strict=True):
        try:
            moves.append(parse_move(job_id, value))
        except MoveError:
            broken.append(value)
    return EventBatch(queue, entry_id, moves, tuple(broken))
