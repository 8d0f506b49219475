"""The way back: endings and reports in batches, on the worker's one writing connection.

It writes at once when idle; while a batch is on its way the next one grows, so a busy worker
batches by itself and an idle one adds no delay.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from upnext_django.broker.broker import Broker
from upnext_django.broker.link import AsyncLink
from upnext_django.broker.scripts import crash, report, settle
from upnext_django.broker.scripts.report import Report
from upnext_django.broker.scripts.settle import Settlement
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import RedisUnavailable
from upnext_django.runtime import unseen
from upnext_django.runtime.attempt import Attempt
from upnext_django.runtime.reporter import PERIOD_S, Reporter

__all__ = ["Settler"]

#: Endings of a worker with more to do leave at most this often, in seconds, unless there are enough.
_PACE_S = 0.01
_ENOUGH = 64

logger = logging.getLogger("upnext.settle")


class Settler:
    """Holds an ending until Redis confirmed it: Redis away means later, never lost."""

    def __init__(self, broker: Broker, reporter: Reporter, at_work: Callable[[], bool]) -> None:
        self._broker = broker
        self._reporter = reporter
        self._at_work = at_work
        self._link = AsyncLink(broker.url)
        self._waiting: dict[str, deque[tuple[Settlement, Report | None]]] = {}
        self._crashed: deque[tuple[Attempt, Report | None]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        # What may not have arrived and must, by queue; see Report.rest().
        self._again: dict[str, list[Report]] = {}
        #: Attempts whose ending is not confirmed: (queue, token) by job. Their leases go on.
        self.unconfirmed: dict[str, tuple[str, int]] = {}

    def add(self, queue: str, settlement: Settlement, last_report: Report | None) -> None:
        """Settle an attempt. ``last_report`` is written before it. Loop thread only."""
        self.unconfirmed[settlement.job_id] = (queue, settlement.token)
        waiting = self._waiting.get(queue)
        if waiting is None:
            waiting = self._waiting[queue] = deque()
        waiting.append((settlement, last_report))
        self._idle.clear()
        self._wake.set()

    def add_crash(self, attempt: Attempt, last_report: Report | None) -> None:
        """Give up an attempt whose process died. ``last_report`` is written before. Loop thread only."""
        self._crashed.append((attempt, last_report))
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Settle for ever; cancel it after ``drained``."""
        last = 0.0
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._gather(last + _PACE_S - time.monotonic())
            last = time.monotonic()
            for queue, waiting in list(self._waiting.items()):
                while waiting:
                    await self._settle(queue, waiting)
            while self._crashed:
                await self._give_up(*self._crashed.popleft())
            if not any(self._waiting.values()) and not self._crashed:
                self._idle.set()

    async def _gather(self, pause_s: float) -> None:
        """Let endings come together while a batch left a moment ago and more jobs are at work.

        Without this a worker of jobs of a millisecond makes one round trip each. A lone ending, and the
        last of a group, leave at once.
        """
        if pause_s > 0 and self._at_work() and sum(map(len, self._waiting.values())) < _ENOUGH:
            await asyncio.sleep(pause_s)

    async def run_reports(self) -> None:
        """Write progress, checkpoints and logs, at most every 200 ms."""
        while True:
            await self._reporter.wake.wait()
            await asyncio.sleep(PERIOD_S)
            try:
                await self.write_reports()
            except Exception:
                logger.exception("these reports are lost; the next ones go out in %.1f s", PERIOD_S)

    async def write_reports(self) -> None:
        for queue, reports in self._reporter.take().items():
            await self._report(queue, reports)

    async def drained(self, timeout_s: float) -> bool:
        """Wait until every ending is confirmed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        await self._link.close()

    async def _settle(self, queue: str, waiting: deque[tuple[Settlement, Report | None]]) -> None:
        batch = [waiting[i] for i in range(min(settle.BATCH, len(waiting)))]
        reports = [last for _, last in batch if last is not None]
        if reports:
            await self._report(queue, reports)
        settlements = [settlement for settlement, _ in batch]
        call = settle.call(self._broker.keys(queue), settlements, history=self._broker.environment.history)
        pause = 0.05
        while True:
            try:
                # An ending would have the news before it refused.
                if queue not in self._again or await self._report(queue, []):
                    answers = await self._link.call(call, timeout_s=10.0, doing="settling jobs")
                    break
            except RedisUnavailable as error:
                logger.warning("%d endings wait: %s Trying again in %.2f s.", len(batch), error, pause)
            except Exception:
                logger.exception("%d endings wait. Trying again in %.2f s.", len(batch), pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
        for settlement, answer in zip(settlements, answers, strict=True):
            waiting.popleft()
            self.unconfirmed.pop(settlement.job_id, None)
            if answer == settle.STALE or answer == settle.MISSING:
                logger.info(
                    "job %s: its ending came too late (%s); another attempt owns it or it has ended.",
                    settlement.job_id,
                    answer,
                    extra={"job_id": settlement.job_id},
                )

    async def _give_up(self, attempt: Attempt, last_report: Report | None) -> None:
        """Count the crash now. If Redis cannot be told, recovery counts it when the lease has run out."""
        environment = self._broker.environment
        call = crash.call(
            self._broker.keys(attempt.queue),
            attempt.id,
            attempt.token,
            max_crashes=environment.max_crashes,
            dead_ttl_ms=int(environment.dead_ttl_s * 1000),
            history=environment.history,
        )
        try:
            if last_report is not None:
                await self._report(attempt.queue, [last_report])
            status = await self._link.call(call, timeout_s=10.0, doing="telling of a crash")
        except RedisUnavailable as error:
            logger.warning("job %s: its crash counts after its lease: %s", attempt.id, error)
        else:
            if status == JobStatus.FAILED:
                await unseen.tell(self._link, self._broker.keys(attempt.queue), attempt.id)

    async def _report(self, queue: str, reports: list[Report]) -> bool:
        """Write reports; False if some must be written again, which is done with the next of that queue."""
        reports = [*self._again.pop(queue, ()), *reports]
        for start in range(0, len(reports), settle.BATCH):
            part = reports[start : start + settle.BATCH]
            call = report.call(self._broker.keys(queue), part, history=self._broker.environment.history)
            try:
                await self._link.call(call, timeout_s=10.0, doing="reporting progress")
            except RedisUnavailable as error:
                kept = [rest for one in part if (rest := one.rest()) is not None]
                if kept:
                    self._again.setdefault(queue, []).extend(kept)
                logger.warning("%d reports dropped: %s", len(part) - len(kept), error)
        return queue not in self._again
