"""Give dead letters up. See discard.lua."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.broker.scripts.replay import KEPT_MS
from upnext_django.core.lifecycle import JobStatus

__all__ = ["BATCH", "Discard", "DiscardAnswer", "DiscardReply", "call"]

BATCH = 200
SCRIPT = Script("discard")


@dataclass(frozen=True, slots=True)
class Discard:
    """A dead letter to give up.

    ``data`` is what the event says of a job that left Redis, with ``seq`` as its number; empty if the
    history does not know it either.
    """

    job_id: str
    seq: int = 0
    data: bytes = b""


class DiscardAnswer(StrEnum):
    DISCARDED = "DISCARDED"  # now, or by an earlier call
    MISSING = "MISSING"
    REPLAYED = "REPLAYED"  # another job was made from it: ``other``
    FORBIDDEN = "FORBIDDEN"  # it has not failed but is in ``status``


@dataclass(frozen=True, slots=True)
class DiscardReply:
    answer: DiscardAnswer
    other: str | None = None
    status: JobStatus | None = None


def call(keys: QueueKeys, letters: Sequence[Discard], *, history: bool) -> Call[list[DiscardReply]]:
    """Discard up to ``BATCH`` dead letters of one queue."""
    arguments: list[bytes | str | int] = [
        int(history),
        KEPT_MS,
    ]
    for letter in letters:
        arguments += (letter.job_id, letter.seq, letter.data)
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: list[Any]) -> list[DiscardReply]:
    return [_answer(answer.decode()) for answer in reply]


def _answer(text: str) -> DiscardReply:
    word, _, other = text.partition(" ")
    if word in DiscardAnswer.__members__:
        return DiscardReply(DiscardAnswer(word), other or None)
    return DiscardReply(DiscardAnswer.FORBIDDEN, status=JobStatus(word))
