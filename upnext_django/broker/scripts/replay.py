"""Make a new job from a failed or cancelled one. See replay.lua."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script
from upnext_django.core.job import NewJob
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import Backpressure

__all__ = ["KEPT_MS", "ReplayAnswer", "ReplayReply", "call"]

SCRIPT = Script("replay")
#: How long a job that was dealt with stays in Redis.
KEPT_MS = 86_400_000


class ReplayAnswer(StrEnum):
    ACCEPTED = "ACCEPTED"
    EXISTS = "EXISTS"  # the new id is there already: a call that was sent again
    MISSING = "MISSING"
    REPLAYED = "REPLAYED"  # another job was made from it: ``other``
    DISCARDED = "DISCARDED"
    DUPLICATE = "DUPLICATE"  # its idempotency key belongs to the live job ``other``
    FORBIDDEN = "FORBIDDEN"  # it is in ``status``


@dataclass(frozen=True, slots=True)
class ReplayReply:
    answer: ReplayAnswer
    other: str | None = None
    status: JobStatus | None = None

    @property
    def made(self) -> bool:
        """Whether the new job is there, made by this call or one before."""
        return self.answer in (ReplayAnswer.ACCEPTED, ReplayAnswer.EXISTS)


def call(keys: QueueKeys, job_id: str, new: NewJob, *, history: bool, max_events: int) -> Call[ReplayReply]:
    """Replay ``job_id`` as ``new``, a job of the same queue; its delays, expiry and reply are not used.

    Raises Backpressure past ``max_events`` unmirrored.
    """
    arguments: list[bytes | str | int] = [
        int(history),
        max_events,
        job_id,
        new.id,
        new.function,
        new.lane,
        new.digest,
        new.key or "",
        new.parent_id or "",
        new.envelope,
        new.shown or b"",
        new.cache,
        KEPT_MS,
    ]
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _parse(reply: Any) -> ReplayReply:
    if isinstance(reply, list):
        raise Backpressure(
            f"{reply[1]} events wait for the mirror; UPNEXT['MAX_EVENTS'] allows no more; nothing replayed. "
            "Is the database up and a worker (or upnext_mirror) running?"
        )
    word, _, other = reply.decode().partition(" ")
    if word in ReplayAnswer.__members__:
        return ReplayReply(ReplayAnswer(word), other or None)
    return ReplayReply(ReplayAnswer.FORBIDDEN, status=JobStatus(word))
