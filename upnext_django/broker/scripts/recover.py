"""Take back the jobs of silent workers. See recover.lua."""

from __future__ import annotations

from typing import Any, NamedTuple

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["CANCELLED_TTL_MS", "LIMIT", "Recovered", "call"]

SCRIPT = Script("recover")
LIMIT = 100
CANCELLED_TTL_MS = 3_600_000


class Recovered(NamedTuple):
    """How many jobs one pass took back, and the ids of those among them that failed for good."""

    taken: int
    died: list[str]


def call(
    keys: QueueKeys, *, lease_ms: int, max_crashes: int, dead_ttl_ms: int, history: bool
) -> Call[Recovered]:
    """Take back at most 100 jobs nobody renewed for ``lease_ms``."""
    arguments: list[bytes | str | int] = [
        int(history),
        lease_ms,
        max_crashes,
        LIMIT,
        dead_ttl_ms,
        CANCELLED_TTL_MS,
    ]
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: Any) -> Recovered:
    return Recovered(reply[0], [job_id.decode() for job_id in reply[1:]])
