"""Cancel jobs. See cancel.lua."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.core.lifecycle import JobStatus

__all__ = ["BATCH", "CancelAnswer", "CancelReply", "call"]

BATCH = 200
SCRIPT = Script("cancel")
_DATA = b'{"error_type":"Cancelled","error":"cancelled"}'
_TTL_MS = 3_600_000


class CancelAnswer(StrEnum):
    CANCELLED = "CANCELLED"  # it waited and now never runs
    ASKED = "ASKED"  # it runs; its worker was told
    MISSING = "MISSING"
    DUPLICATE = "DUPLICATE"  # follow ``winner``
    FORBIDDEN = "FORBIDDEN"  # it has ended; ``status`` says how


@dataclass(frozen=True, slots=True)
class CancelReply:
    answer: CancelAnswer
    winner: str | None = None
    status: JobStatus | None = None


def call(keys: QueueKeys, job_ids: Sequence[str], *, history: bool) -> Call[list[CancelReply]]:
    """Cancel up to ``BATCH`` jobs of one queue."""
    arguments: list[bytes | str | int] = [
        int(history),
        _DATA,
        _TTL_MS,
        *job_ids,
    ]
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: list[Any]) -> list[CancelReply]:
    return [_answer(answer.decode()) for answer in reply]


def _answer(text: str) -> CancelReply:
    word, _, winner = text.partition(" ")
    if word in CancelAnswer.__members__:
        return CancelReply(CancelAnswer(word), winner or None)
    return CancelReply(CancelAnswer.FORBIDDEN, status=JobStatus(word))
