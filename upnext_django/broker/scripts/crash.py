"""Take back a job whose process died under a worker that lives. See crash.lua."""

from __future__ import annotations

from typing import Any

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.broker.scripts.recover import CANCELLED_TTL_MS

__all__ = ["call"]

SCRIPT = Script("crash")


def call(
    keys: QueueKeys, job_id: str, token: int, *, max_crashes: int, dead_ttl_ms: int, history: bool
) -> Call[str]:
    """Count a crash of the attempt ``token``; the reply is the new status, MISSING or STALE as of settle."""
    arguments: list[bytes | str | int] = [
        int(history),
        max_crashes,
        dead_ttl_ms,
        CANCELLED_TTL_MS,
        job_id,
        token,
    ]
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: Any) -> str:
    return str(reply.decode())
