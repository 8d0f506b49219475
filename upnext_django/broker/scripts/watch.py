"""Ask to be told of a job's end. See watch.lua."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.core.job import Ending, SettleData
from upnext_django.core.lifecycle import TERMINAL, JobStatus

__all__ = ["Watch", "call", "decode_ending"]

SCRIPT = Script("watch")
_TERMINAL = ",".join(sorted(TERMINAL))
_DECODER = msgspec.json.Decoder(SettleData)


@dataclass(frozen=True, slots=True)
class Watch:
    """``ending`` of a terminal job, ``winner`` of a duplicate, ``missing``; else it is registered."""

    ending: Ending | None = None
    winner: str | None = None
    missing: bool = False


def call(keys: QueueKeys, job_id: str, client_id: str) -> Call[Watch]:
    def parse(reply: list[Any]) -> Watch:
        match reply[0]:
            case b"WAITING":
                return Watch()
            case b"MISSING":
                return Watch(missing=True)
            case b"DUPLICATE":
                return Watch(winner=reply[1].decode())
        return Watch(ending=decode_ending(job_id, reply[0], reply[1], reply[2]))

    return Call(SCRIPT, keys.prefix, [job_id, client_id, _TERMINAL], parse)


def decode_ending(job_id: str, status: bytes, completed_ms: bytes, data: bytes) -> Ending:
    """Read how a job ended. A job withdrawn before it ran has no attempt: 0, started 0."""
    return Ending(
        job_id=job_id,
        status=JobStatus(status.decode()),
        completed_ms=int(completed_ms),
        data=_DECODER.decode(data),
    )
