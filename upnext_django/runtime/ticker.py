"""The schedules of a worker process: each computes the ticks by itself, and Redis accepts each once.

A thread of its own, so that a job that blocks the loop makes no tick late. Redis's clock decides.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from upnext_django.broker.broker import Broker
from upnext_django.broker.link import SyncLink
from upnext_django.broker.scripts import tick
from upnext_django.broker.scripts.tick import Mark, Tick, TickAnswer, TickReply
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.ids import tick_job_id
from upnext_django.declare.options import Overrides
from upnext_django.declare.submission import Submission
from upnext_django.declare.worker import Worker
from upnext_django.exceptions import Backpressure, RedisUnavailable, ScheduleExhausted
from upnext_django.runtime.timetable import Timed, Timetable

__all__ = ["Ticker", "served_crons"]

logger = logging.getLogger("upnext.cron")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: It looks at least this often, in seconds: Redis's clock may be set, or may have lost what it knew.
_LONGEST_SLEEP_S = 30.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0
#: Waking in the very millisecond of a tick would find it a moment too early half of the time.
_AFTER_S = 0.002


def served_crons(workers: Sequence[Worker], queues: frozenset[str] | None) -> list[TaskDefinition]:
    """Return the crons of ``workers`` whose own queue is among ``queues`` (None: all)."""
    definitions = [task.definition for worker in workers for task in worker.tasks]
    return [
        definition
        for definition in definitions
        if definition.cron is not None and (queues is None or definition.queue in queues)
    ]


class Ticker:
    """Makes the jobs of the schedules of a timetable while it runs. A Service."""

    name = "the ticker of crons"
    brings_jobs = False

    def __init__(self, broker: Broker, timetable: Timetable) -> None:
        self._broker = broker
        self._timetable = timetable
        self._link = SyncLink(broker.url, timeout_s=5.0)
        self._stopped = threading.Event()
        self._upcoming: dict[str, _Upcoming] = {}
        self._troubled: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="upnext-ticker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        return True

    def stop(self) -> None:
        self._stopped.set()
        self._timetable.changed.set()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopped.is_set():
            self._timetable.changed.clear()
            try:
                sleep = self._pass()
                pause = _FIRST_PAUSE_S
            except (RedisUnavailable, Backpressure) as error:
                logger.warning("crons: %s Trying again in %.1f s.", error, pause)
                sleep, pause = pause, min(pause * 2, _LONGEST_PAUSE_S)
            except Exception:
                logger.exception("crons: this pass failed. Trying again in %.1f s.", pause)
                sleep, pause = pause, min(pause * 2, _LONGEST_PAUSE_S)
            if not self._stopped.is_set():
                self._timetable.changed.wait(sleep)
        self._link.close()

    def _pass(self) -> float:
        """Make what is due in every queue; returns after how many seconds to look again."""
        by_queue: dict[str, list[Timed]] = {}
        for timed in self._timetable.entries:
            by_queue.setdefault(timed.definition.queue, []).append(timed)
        self._broker.directory.announce_sync(self._link, set(by_queue))
        sleeps = [self._tick(queue, entries) for queue, entries in by_queue.items()]
        return min(sleeps, default=_LONGEST_SLEEP_S)

    def _tick(self, queue: str, entries: Sequence[Timed]) -> float:
        keys = self._broker.keys(queue)
        history = self._broker.environment.history
        most = self._broker.environment.max_events
        asking = tick.ask(keys, [_mark(timed) for timed in entries], history=history, max_events=most)
        seen = self._link.call(asking, doing="looking for ticks that are due")
        asked_s = time.monotonic()
        now = _moment(seen.now_ms)
        ticks: list[Tick] = []
        looked: list[tuple[Timed, int]] = []
        is_full = False
        for timed, reply in zip(entries, seen.replies, strict=True):
            if reply.answer is TickAnswer.OUTDATED:
                self._timetable.outdated.set()
                self._upcoming.pop(timed.key, None)
                continue
            looked.append((timed, reply.last_ms))
            due = self._due(timed, reply, now)
            is_full = is_full or len(due) == tick.BATCH
            ticks += due
        for start in range(0, len(ticks), tick.BATCH):
            part = ticks[start : start + tick.BATCH]
            making = tick.call(keys, part, history=history, max_events=most)
            made = self._link.call(making, doing="making ticks")
            for one, reply in zip(part, made.replies, strict=True):
                if reply.answer is TickAnswer.ACCEPTED:
                    logger.debug("cron %s: job %s", one.mark.name, one.job.id, extra={"job_id": one.job.id})
        if is_full:
            return 0.0
        upcoming = min((self._seconds_to_next(*one, now) for one in looked), default=_LONGEST_SLEEP_S)
        return max(0.0, upcoming - (time.monotonic() - asked_s))

    def _due(self, timed: Timed, reply: TickReply, now: datetime) -> list[Tick]:
        """Return the ticks of one schedule that are due; none, logged once, if it cannot have any."""
        known = self._upcoming.get(timed.key)
        if known is not None and known.holds(timed, reply.last_ms, now):
            return []
        last = _moment(reply.last_ms)
        if timed.since is not None:
            last = max(last, timed.since)
        try:
            runs = timed.plan.due(last, now, most=tick.BATCH, until=timed.until)
            ticks = [_tick_of(timed, run) for run in runs]
        except Exception as error:
            # UPNEXT["META"] is the project's, and one schedule that fails must not keep the others waiting.
            if timed.key not in self._troubled:
                self._troubled.add(timed.key)
                told = None if isinstance(error, ScheduleExhausted) else error
                logger.warning("schedule %s makes no jobs: %s", timed.name, error, exc_info=told)
            return []
        self._troubled.discard(timed.key)
        return ticks

    def _seconds_to_next(self, timed: Timed, last_ms: int, now: datetime) -> float:
        known = self._upcoming.get(timed.key)
        if known is None or not known.holds(timed, last_ms, now):
            try:
                following = timed.plan.schedule.next_after(now)
            except ScheduleExhausted:
                return _LONGEST_SLEEP_S
            if timed.key in self._troubled:
                self._upcoming.pop(timed.key, None)
            else:
                known = self._upcoming[timed.key] = _Upcoming(timed, last_ms, following)
        else:
            following = known.run
        return min(_LONGEST_SLEEP_S, (following - now).total_seconds() + _AFTER_S)


class _Upcoming(NamedTuple):
    """The next run of a schedule, so that a pass in which nothing of it is due costs no arithmetic."""

    timed: Timed
    last_ms: int
    run: datetime

    def holds(self, timed: Timed, last_ms: int, now: datetime) -> bool:
        """Whether nothing is due before ``run``: not if Redis forgot a tick, or the schedule is another."""
        return timed is self.timed and last_ms >= self.last_ms and now < self.run


def _mark(timed: Timed) -> Mark:
    return Mark(timed.key, None if timed.begins is None else _ms(timed.begins), timed.revision)


def _tick_of(timed: Timed, run: datetime) -> Tick:
    at_ms = _ms(run)
    definition = timed.definition
    submission = Submission(definition, Overrides(priority=timed.priority), schedule=timed.name)
    job_id = tick_job_id(definition.queue, timed.key, at_ms)
    return Tick(_mark(timed), at_ms, submission.job(timed.args, timed.kwargs, job_id=job_id))


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(ms: int) -> datetime:
    # Not fromtimestamp(ms / 1000): a float of seconds may fall just below a whole one.
    return _EPOCH + timedelta(milliseconds=ms)
