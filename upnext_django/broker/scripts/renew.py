"""Prove leases. See renew.lua."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["RenewReply", "call"]

SCRIPT = Script("renew")


class RenewReply(StrEnum):
    OK = "OK"
    CANCEL = "CANCEL"
    LOST = "LOST"


def call(keys: QueueKeys, held: Sequence[tuple[str, int]]) -> Call[list[RenewReply]]:
    """Renew ``(job id, token)`` pairs of one queue, answered in order."""
    arguments: list[bytes | str | int] = []
    for job_id, token in held:
        arguments += (job_id, token)
    return Call(
        SCRIPT, keys.prefix, arguments, lambda reply: [RenewReply(answer.decode()) for answer in reply]
    )
