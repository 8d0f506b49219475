"""What the mirror needs of the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from upnext_django.core.job import JobMove

__all__ = ["Broker", "EventBatch", "Events"]


class EventBatch(Protocol):
    """One entry of a queue's event stream: the moves of one script call."""

    @property
    def queue(self) -> str: ...

    @property
    def entry_id(self) -> str: ...

    @property
    def moves(self) -> Sequence[JobMove]: ...

    @property
    def broken(self) -> Sequence[bytes]:
        """Values that no script wrote."""


class Events(Protocol):
    """The event streams of all queues, read by one thread. Every call may raise RedisUnavailable.

    The first reads after the lease was taken give what was read before and not acknowledged.
    """

    def read(self, count: int, block_ms: int) -> Sequence[Any]:
        """Return up to ``count`` EventBatches a queue, in its order; waits ``block_ms`` for one."""

    def ack(self, batches: Sequence[Any], *, ttls: Sequence[tuple[str, str, int]]) -> None:
        """Acknowledge, delete, append to the feed; ``ttls`` are (queue, job id, ms) of ended jobs."""

    def lag(self) -> int:
        """Return how many entries are not acknowledged."""

    def lease(self, owner: str, ttl_ms: int) -> bool:
        """Take or renew the lease of the mirror; False if another owner holds it."""

    def release(self, owner: str) -> None:
        """Give the lease back if ``owner`` holds it."""

    def close(self) -> None:
        """Close the connection."""


class Broker(Protocol):
    """The part of the broker that the mirror uses."""

    @property
    def events(self) -> Events:
        """The reader of the mirror's thread; it connects when it is used, after close() too."""

    def workers(self) -> dict[str, dict[str, Any]]: ...

    def functions(self) -> dict[str, dict[str, Any]]: ...
