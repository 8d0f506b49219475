"""What an operator can see of the outbox, and do about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Min, Q
from django.utils import timezone

from upnext_django.models import OutboxEntry
from upnext_django.outbox.databases import with_outbox
from upnext_django.outbox.entries import put_back

__all__ = ["OutboxDepth", "depths", "retry", "set_aside"]

logger = logging.getLogger("upnext.operations")


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """How full the outbox of one database is.

    ``waiting`` are on their way, the oldest of them for ``oldest_s`` seconds (None: there is none): more
    than a few seconds say that Redis or every relay is away. ``set_aside`` wait for somebody to look.
    """

    database: str
    waiting: int
    set_aside: int
    oldest_s: float | None


def depths() -> list[OutboxDepth]:
    """Return the depth of every outbox. Raises DatabaseError for a database that is away."""
    return [_depth(alias) for alias in with_outbox()]


def set_aside(*, limit: int = 50) -> list[OutboxEntry]:
    """Return the rows that the relay gave up, the oldest first, ``limit`` a database; ``error`` says why."""
    return [
        entry
        for alias in with_outbox()
        for entry in OutboxEntry.objects.using(alias)
        .filter(set_aside_at__isnull=False)
        .defer("item")
        .order_by("id")[:limit]
    ]


def retry(job_ids: Sequence[str] | None = None, *, by: object = None) -> int:
    """Let the relay try again what it set aside, None: all of it; returns how many rows that are."""
    count = sum(put_back(job_ids, using=alias) for alias in with_outbox())
    if count:
        logger.info("%d jobs of the outbox were put back by %s.", count, by or "nobody named")
    return count


def _depth(alias: str) -> OutboxDepth:
    waiting = Q(set_aside_at=None)
    found = OutboxEntry.objects.using(alias).aggregate(
        waiting=Count("id", filter=waiting),
        set_aside=Count("id", filter=~waiting),
        oldest=Min("created_at", filter=waiting),
    )
    oldest = found["oldest"]
    age_s = None if oldest is None else max(0.0, (timezone.now() - oldest).total_seconds())
    return OutboxDepth(alias, found["waiting"], found["set_aside"], age_s)
