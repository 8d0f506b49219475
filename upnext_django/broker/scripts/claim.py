"""Take jobs to run. See claim.lua."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["Claim", "ClaimedJob", "call"]

SCRIPT = Script("claim")
_EXPIRED = b'{"error_type":"Expired","error":"expired before it started"}'
_EXPIRED_TTL_MS = 3_600_000


class ClaimedJob(msgspec.Struct):
    """One job this worker now holds; ``token`` fences it. ``first_ms`` is this attempt's first claim."""

    id: str
    stream: str
    token: int
    attempt: int
    first_ms: int
    started_ms: int
    envelope: bytes
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought. ``due_in_ms`` is when a delayed job is due; None for none.

    ``needs_slot``: a limited function has work for which this worker had no free slot.
    """

    registered: bool
    jobs: list[ClaimedJob]
    left: bool
    needs_slot: bool
    due_in_ms: int | None


def call(
    keys: QueueKeys,
    *,
    worker: str,
    capability: str,
    wanted: int,
    slots: int | None = None,
    lanes: str,
    suspects: bool,
    history: bool,
) -> Call[Claim]:
    """Claim up to ``wanted`` jobs from ``lanes`` ("012" in the order of reading).

    ``slots`` bounds what is claimed of limited functions, None for no other bound.
    """
    arguments: list[bytes | str | int] = [
        int(history),
        worker,
        capability,
        wanted,
        wanted if slots is None else slots,
        lanes,
        int(suspects),
        _EXPIRED,
        _EXPIRED_TTL_MS,
    ]
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: Any) -> Claim:
    if reply == b"UNREGISTERED":
        return Claim(False, [], False, False, None)
    now, due = int(reply[0]), int(reply[1])
    jobs = [
        ClaimedJob(
            id=reply[i].decode(),
            stream=reply[i + 1].decode(),
            token=reply[i + 3],
            attempt=reply[i + 4],
            first_ms=int(reply[i + 5]),
            started_ms=now,
            envelope=reply[i + 6],
            checkpoint=reply[i + 7],
        )
        for i in range(3, len(reply), 8)
    ]
    return Claim(True, jobs, reply[2] == 1, reply[2] == 2, max(0, due - now) if due >= 0 else None)
