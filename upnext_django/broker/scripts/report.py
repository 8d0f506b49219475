"""Keep what a running attempt says. See report.lua."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.script import Call, Script

__all__ = ["Report", "call"]

SCRIPT = Script("report")


@dataclass(slots=True)
class Report:
    """News of one attempt; None for what was not said. ``data`` is the event's JSON.

    ``kept`` is the part of it that must arrive and may do so twice: artifacts, whose files are written.
    """

    job_id: str
    token: int
    data: bytes
    progress: float | None = None
    message: str | None = None
    checkpoint: bytes | None = None
    kept: bytes | None = None

    def rest(self) -> Report | None:
        """Return what is to be said again if this one may not have arrived; None for nothing."""
        return None if self.kept is None else Report(self.job_id, self.token, self.kept, kept=self.kept)


def call(keys: QueueKeys, reports: Sequence[Report], *, history: bool) -> Call[list[str]]:
    """Report up to 256 attempts of one queue; answers each "OK", "MISSING" or "STALE"."""
    arguments: list[bytes | str | int] = [int(history)]
    for r in reports:
        progress = "" if r.progress is None else repr(r.progress)
        arguments += (r.job_id, r.token, progress, r.message or "", r.checkpoint or b"", r.data)
    return Call(SCRIPT, keys.prefix, arguments, lambda reply: [answer.decode() for answer in reply])
