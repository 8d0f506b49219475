"""The payload of a job that has no row yet, as its row will show it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from upnext_django.core.job import LiveJob
from upnext_django.core.lifecycle import JobStatus
from upnext_django.mirror.payload import arguments_of, meta_of, stored

__all__ = ["LivePayload", "payload_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePayload:
    """What went into a job and came out of it, under the names that JobRecord has; None if there is none."""

    arguments: Any
    result: Any
    checkpoint: Any
    meta: Any


def payload_of(job: LiveJob) -> LivePayload:
    """Return the payload of a job that Redis holds, masked and redacted as the mirror does.

    What cannot be read is None, as in a row.
    """
    result = msgspec.UNSET if job.ending is None or job.status != JobStatus.COMPLETE else job.ending.result
    checkpoint = job.checkpoint
    return LivePayload(
        arguments=_read(lambda: arguments_of(job.envelope)),
        result=None if result is msgspec.UNSET else _read(lambda: stored(bytes(result))),
        checkpoint=None if checkpoint is None else _read(lambda: stored(checkpoint)),
        meta=_read(lambda: meta_of(job.envelope)),
    )


def _read(column: Callable[[], str | None]) -> Any:
    try:
        text = column()
        return None if text is None else json.loads(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
