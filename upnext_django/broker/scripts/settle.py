"""End attempts. See settle.lua."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.core.lifecycle import MOVES, JobStatus, Move

__all__ = ["BATCH", "MISSING", "MOST_HITS", "STALE", "Settlement", "call"]

BATCH = 256
#: Jobs that one call ends as cache hits: about 2 ms of Redis.
MOST_HITS = 200
SCRIPT = Script("settle")
STALE = "STALE"
MISSING = "MISSING"
_TARGETS = frozenset().union(*(MOVES[move][JobStatus.ACTIVE] for move in (Move.SETTLED, Move.HANDED_BACK)))


class Settlement(msgspec.Struct):
    """How one attempt ended. ``target`` QUEUED hands the job back with its attempt restored.

    ``data`` (a SettleData) goes to waiters; ``kept`` is what Redis and history keep, None for the same.
    ``cached`` is how later jobs of its cache key end, for ``cached_ms`` ms; None keeps nothing for them.
    """

    job_id: str
    token: int
    target: JobStatus
    data: bytes
    kept: bytes | None = None
    delay_ms: int = 0
    ttl_ms: int = 60_000
    cached: bytes | None = None
    cached_ms: int = 0


def call(
    keys: QueueKeys, settlements: Sequence[Settlement], *, history: bool, most_hits: int = MOST_HITS
) -> Call[list[str]]:
    """Settle up to ``BATCH`` attempts of one queue; answers each with its new status, MISSING or STALE.

    ``most_hits`` bounds the jobs that end because the value they waited for is there; the others follow.

    Raises ValueError for a target that core.lifecycle does not let an active job be settled as.
    """
    arguments: list[bytes | str | int] = [
        int(history),
        most_hits,
    ]
    for s in settlements:
        if s.target not in _TARGETS:
            raise ValueError(
                f"Job {s.job_id} cannot be settled as {s.target}; "
                f"an attempt ends as {', '.join(sorted(_TARGETS))}."
            )
        cached = b"" if s.cached is None else b"%d %b" % (s.cached_ms, s.cached)
        arguments += (s.job_id, s.token, s.target, s.delay_ms, s.ttl_ms, s.data, s.kept or b"", cached)
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: list[Any]) -> list[str]:
    return [answer.decode() for answer in reply]
