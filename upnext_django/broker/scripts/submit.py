"""Accept jobs. See submit.lua."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from upnext_django.broker.keys import QueueKeys, stream_name
from upnext_django.broker.script import Call, Script
from upnext_django.core.job import NewJob, SubmitAnswer, SubmitReply
from upnext_django.exceptions import Backpressure

__all__ = ["BATCH", "call"]

#: Jobs in one round trip: enough to make the trip cheap, few enough to keep Redis below 5 ms.
BATCH = 200

SCRIPT = Script("submit")
_ACCEPTED = SubmitReply(SubmitAnswer.ACCEPTED)
_EXISTS = SubmitReply(SubmitAnswer.EXISTS)


def call(
    keys: QueueKeys, jobs: Sequence[NewJob], *, history: bool, max_events: int
) -> Call[list[SubmitReply]]:
    """Submit up to ``BATCH`` jobs of one queue. Raises Backpressure past ``max_events`` unmirrored."""
    arguments: list[bytes | str | int] = [int(history), max_events]
    for job in jobs:
        more = _more(job)
        arguments += (job.id, stream_name(job.function, job.lane, job.digest), job.envelope, len(more) // 2)
        arguments += more
    return Call(SCRIPT, keys.prefix, arguments, _parse)


def _more(job: NewJob) -> list[bytes | str | int]:
    """Return what not every job has, as names and values in turn."""
    more: list[bytes | str | int] = []
    if job.reply:
        more += ("reply", job.reply)
    if job.parent_id:
        more += ("parent", job.parent_id)
    if job.delay_ms is not None:
        more += ("delay", job.delay_ms)
    elif job.at_ms is not None:
        more += ("at", job.at_ms)
    if job.expires_ms is not None:
        more += ("expires", job.expires_ms)
    if job.key:
        more += ("key", job.key)
    if job.cache:
        more += ("cache", job.cache)
    if job.shown:
        more += ("shown", job.shown)
    return more


def _parse(reply: list[Any]) -> list[SubmitReply]:
    if reply and reply[0] == b"BACKPRESSURE":
        raise Backpressure(
            f"{reply[1]} events wait for the mirror; UPNEXT['MAX_EVENTS'] allows no more; nothing queued. "
            "Is the database up and a worker (or upnext_mirror) running?"
        )
    return [_answer(answer) for answer in reply]


def _answer(answer: bytes) -> SubmitReply:
    if answer == b"ACCEPTED":
        return _ACCEPTED
    if answer == b"EXISTS":
        return _EXISTS
    return SubmitReply(SubmitAnswer.DUPLICATE, answer.split(b" ", 1)[1].decode())
