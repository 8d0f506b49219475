"""Take back the jobs of silent workers. See recover.lua."""

from __future__ import annotations

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["CANCELLED_TTL_MS", "LIMIT", "call"]

SCRIPT = Script("recover")
LIMIT = 100
CANCELLED_TTL_MS = 3_600_000


def call(keys: QueueKeys, *, lease_ms: int, max_crashes: int, dead_ttl_ms: int, history: bool) -> Call[int]:
    """Take back at most 100 jobs nobody renewed for ``lease_ms``; the reply is how many."""
    arguments: list[bytes | str | int] = [
        int(history),
        lease_ms,
        max_crashes,
        LIMIT,
        dead_ttl_ms,
        CANCELLED_TTL_MS,
    ]
    return Call(SCRIPT, keys.prefix, arguments, int)
