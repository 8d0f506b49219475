"""What running jobs say of themselves, coalesced: at most five reports a second and job."""

from __future__ import annotations

import asyncio

import msgspec

from upnext_django.broker.scripts.report import Report
from upnext_django.core.artifact import ArtifactFacts
from upnext_django.core.masking import HIDDEN
from upnext_django.runtime.attempt import Attempt

__all__ = ["PERIOD_S", "Reporter", "report_of"]

PERIOD_S = 0.2


class Reporter:
    """Collects attempts with news. ``touch`` is called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: dict[str, Attempt] = {}
        self.wake = asyncio.Event()

    def touch(self, attempt: Attempt) -> None:
        if attempt.id not in self._dirty:
            self._dirty[attempt.id] = attempt
            self._loop.call_soon_threadsafe(self.wake.set)

    def take(self) -> dict[str, list[Report]]:
        """Return the news by queue and start over. Loop thread only."""
        self.wake.clear()
        dirty, self._dirty = self._dirty, {}
        reports: dict[str, list[Report]] = {}
        for attempt in dirty.values():
            report = report_of(attempt)
            if report is not None:
                reports.setdefault(attempt.queue, []).append(report)
        return reports

    def take_one(self, attempt: Attempt) -> Report | None:
        """Return one attempt's news, because it ends: the last word must come before its ending."""
        self._dirty.pop(attempt.id, None)
        return report_of(attempt)


def report_of(attempt: Attempt) -> Report | None:
    """Empty the attempt's news into a report; None if there is none."""
    progress, attempt.progress = attempt.progress, None
    checkpoint, attempt.checkpoint_raw = attempt.checkpoint_raw, None
    logs: list[list[object]] = []
    while attempt.logs:
        at_ms, level, message, data = attempt.logs.popleft()
        logs.append([at_ms, level, message, msgspec.Raw(data) if data else None])
    artifacts: list[ArtifactFacts] = []
    while attempt.artifacts:
        artifacts.append(attempt.artifacts.popleft())
    if progress is None and checkpoint is None and not logs and not artifacts:
        return None
    facts: dict[str, object] = {}
    if progress is not None:
        facts["progress"], facts["message"] = progress
    if checkpoint is not None:
        facts["checkpoint"] = HIDDEN if attempt.is_sensitive else msgspec.Raw(checkpoint)
    if logs:
        facts["logs"] = logs
    if artifacts:
        facts["artifacts"] = artifacts
    return Report(
        job_id=attempt.id,
        token=attempt.token,
        data=msgspec.json.encode(facts),
        progress=progress[0] if progress else None,
        message=progress[1] if progress else None,
        checkpoint=checkpoint,
        kept=msgspec.json.encode({"artifacts": artifacts}) if artifacts else None,
    )
