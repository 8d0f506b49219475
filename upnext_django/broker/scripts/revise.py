"""Say that the row of a schedule was changed. See revise.lua."""

from __future__ import annotations

from dataclasses import dataclass

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["Revision", "call"]

SCRIPT = Script("revise")

#: Workers read the rows each minute, so a refusal is needed no longer. It must end: a database that was
#: restored from a backup has older revisions than Redis, and is right.
_KEEP_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The newest state of a schedule's row.

    ``key`` is what its ticks are called, ``number`` grows with each change. Runs up to ``since_ms`` are
    not made any more; None changes nothing in that. ``begins`` says that the row is new, and its ticks
    count from ``since_ms``; ``gone`` that it was deleted.
    """

    key: str
    number: int
    paused: bool = False
    since_ms: int | None = None
    begins: bool = False
    gone: bool = False


def call(keys: QueueKeys, revision: Revision) -> Call[bool]:
    """Refuse the ticks of older revisions in this queue; False if a newer one was told before."""
    since = "" if revision.since_ms is None else revision.since_ms
    told: list[bytes | str | int] = [
        revision.key,
        revision.number,
        int(revision.paused),
        since,
        int(revision.begins),
        int(revision.gone),
        _KEEP_MS,
    ]
    return Call(SCRIPT, keys.prefix, told, bool)
