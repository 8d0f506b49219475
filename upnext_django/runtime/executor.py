"""Runs attempts: the user's function inside its scopes, and what its end means.

Async functions are tasks of the worker's loop, sync ones go to their Worker's crew. Whoever takes
an attempt out of ``held`` settles it; nobody else can.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterable

import msgspec

from upnext_django.broker.broker import Broker
from upnext_django.broker.scripts.claim import ClaimedJob
from upnext_django.broker.scripts.settle import Settlement
from upnext_django.core.job import SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.outcome import Outcome
from upnext_django.declare import surroundings
from upnext_django.declare.context import Context
from upnext_django.declare.current import current_job
from upnext_django.runtime import hooks, moments, sensitive
from upnext_django.runtime.attempt import Attempt, End, Running
from upnext_django.runtime.reporter import Reporter
from upnext_django.runtime.runner import Runner, log_cut_hooks
from upnext_django.runtime.scope import AttemptScope
from upnext_django.runtime.settler import Settler

__all__ = ["Executor", "settlement_of"]

_ENCODE = msgspec.json.Encoder().encode
#: An unsaved result's key stays this long: a submit that was sent twice must still find its job.
_UNSAVED_TTL_MS = 60_000
_CANCELLED_TTL_MS = 3_600_000
_EARLY_CANCEL_S = 10.0


class Executor(Runner):
    """The attempts of one process. Loop thread only, but for what says otherwise."""

    def __init__(
        self,
        broker: Broker,
        settler: Settler,
        reporter: Reporter,
        scope: AttemptScope,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(broker.environment, scope, loop)
        self.held: dict[str, Attempt] = {}
        #: The one suspect that this process may run at a time, and whether a claim for one is on its way.
        self.suspect: Attempt | None = None
        self.suspect_asked = False
        #: How many attempts have ended here.
        self.done = 0
        self._early_cancels: dict[str, float] = {}
        self._settler = settler
        self._reporter = reporter

    # -- beginning

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt that has its slot. Sync ones wait for ``crew.wake``."""
        attempt.begin()
        if attempt.definition.is_async:
            attempt.start_clock()
            attempt.task = self._loop.create_task(self._run(attempt))
        else:
            attempt.consumer.crew.put(attempt)

    async def _run(self, attempt: Attempt) -> None:
        definition = attempt.definition
        token = self._scope.enter_async()
        current_job.set(attempt)
        attempt.around = surroundings.around(attempt, attempt.envelope.carries)
        outcome: Outcome | None
        try:
            if definition.on_start is not None:
                await hooks.run(definition.on_start, self._scope)
            if moments.hears(None):
                await moments.atell(attempt, None)
            if attempt.is_sensitive:
                args, kwargs = sensitive.call_of(attempt)
            else:
                args, kwargs = definition.signature.decode(attempt.envelope.args)
            if definition.signature.takes_context:
                args.insert(0, Context(attempt))
            value = await definition.func(*args, **kwargs)
            outcome = self._completed(attempt, value)
        except BaseException as error:  # noqa: BLE001 - the user's function; its SystemExit must not end us
            outcome = self.raised(attempt, error)
        try:
            if outcome is not None and (definition.has_hooks or moments.hears(outcome)):
                attempt.conclude(outcome)
                _forget_cancels(attempt)
                for hook in hooks.after(definition, outcome.status):
                    await hooks.run(hook, self._scope)
                if moments.hears(outcome):
                    await moments.atell(attempt, outcome)
        finally:
            # A cancellation may come here too. Without an end it would keep its slot, its lease, its thread.
            try:
                if attempt.around is not None:
                    attempt.around.leave(outcome)
                if self._scope.has_used(token):
                    await self._scope.exit_async(token)
            finally:
                self.ended(attempt, outcome)

    def _before_hooks(self, attempt: Running, outcome: Outcome) -> None:
        assert isinstance(attempt, Attempt), attempt
        attempt.conclude(outcome)

    def ended(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """Free the slot and settle, unless somebody settled this attempt before."""
        attempt.leave()
        self.done += 1
        if not self.take(attempt):
            return
        if attempt.begun_s is not None:
            attempt.consumer.took(time.monotonic() - attempt.begun_s)
        if outcome is None:
            outcome = attempt.outcome
        if outcome is None and attempt.end == End.TIMEOUT:
            outcome = self.timed_out(attempt)
        if outcome is None:
            if attempt.end == End.CRASH:
                self._settler.add_crash(attempt, self._reporter.take_one(attempt))
            elif attempt.end != End.LOST:
                self._settler.add(attempt.queue, _hand_back(attempt), self._reporter.take_one(attempt))
            return
        last = self._reporter.take_one(attempt) if attempt.is_dirty else None
        self._settler.add(attempt.queue, settlement_of(attempt, outcome, self._environment.dead_ttl_s), last)

    def take(self, attempt: Attempt) -> bool:
        """Take an attempt out of ``held``: True for the one that now has to settle it. Any thread.

        False also where a later attempt of the same job is held here meanwhile.
        """
        if self.held.get(attempt.id) is not attempt:
            return False
        return self.held.pop(attempt.id, None) is not None

    # -- ending from outside

    def cancel(self, job_id: str) -> None:
        """End an attempt by order. One that is not here yet may be on its way from its claim."""
        if job_id in self.held:
            self.end(job_id, End.CANCEL)
            return
        now = time.monotonic()
        self._early_cancels = {
            early: until for early, until in self._early_cancels.items() if until > now
        } | {job_id: now + _EARLY_CANCEL_S}

    def was_cancelled_early(self, job_id: str) -> bool:
        """Whether the order to cancel came before the job did."""
        return bool(self._early_cancels) and self._early_cancels.pop(job_id, 0.0) > time.monotonic()

    def end(self, job_id: str, why: str) -> None:
        """End a held attempt: cancel, timeout, hand back or lost. The first reason counts."""
        attempt = self.held.get(job_id)
        if attempt is None or attempt.end is not None:
            return
        attempt.end = why
        if attempt.begun_s is None or self._withdraw(attempt):
            # No code of it runs yet: it ends here and now.
            attempt.consumer.drop(attempt)
            self.ended(attempt, self.raised(attempt, asyncio.CancelledError()))
            return
        if why == End.LOST:
            self.take(attempt)
            attempt.leave()
        attempt.stop_returning()
        if attempt.task is not None:
            attempt.task.cancel()
        elif attempt.hand is not None:
            attempt.hand.end(attempt, why)

    def _withdraw(self, attempt: Attempt) -> bool:
        """Take back an attempt that has a slot and of which nothing has run; False if it runs."""
        if attempt.task is None:
            return attempt.consumer.crew.remove(attempt)
        coroutine = attempt.task.get_coro()
        if not inspect.iscoroutine(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
            return False
        attempt.task.cancel()
        return True

    def refuse(self, claimed: ClaimedJob, queue: str, error: Exception) -> None:
        """Fail a job whose envelope cannot be read; its bytes stay in the dead letter."""
        data = SettleData(
            attempt=claimed.attempt,
            started_ms=claimed.started_ms,
            error_type="MalformedJob",
            error=f"MalformedJob: the envelope cannot be read ({type(error).__name__}: {error})",
        )
        ttl_ms = int(self._environment.dead_ttl_s * 1000)
        settlement = Settlement(
            job_id=claimed.id, token=claimed.token, target=JobStatus.FAILED, data=_ENCODE(data), ttl_ms=ttl_ms
        )
        self._settler.add(queue, settlement, None)

    def hand_back(self, attempts: Iterable[Attempt]) -> None:
        for attempt in list(attempts):
            self.end(attempt.id, End.HAND_BACK)

    @property
    def can_be_killed(self) -> bool:
        """Whether attempts run in processes of their own, which end when they are told to."""
        return any(attempt.hand is not None and attempt.hand.kills for attempt in list(self.held.values()))

    def hand_back_running(self) -> None:
        """Give up what will not end by itself: threads go on until the process exits. The very last step."""
        for attempt in list(self.held.values()):
            if self.take(attempt):
                attempt.end = End.HAND_BACK
                # A thread among its hooks has done its work; it is not to be done again.
                done = attempt.outcome
                settlement = (
                    _hand_back(attempt)
                    if done is None
                    else settlement_of(attempt, done, self._environment.dead_ttl_s)
                )
                self._settler.add(attempt.queue, settlement, self._reporter.take_one(attempt))

    def end_overdue(self) -> None:
        """End attempts past their deadline, and sound alarms. Called every tenth of a second."""
        now = time.monotonic()
        for attempt in list(self.held.values()):
            if attempt.alarm is not None and now >= attempt.alarm[0] and attempt.hand is not None:
                attempt.hand.sound(attempt)
            if attempt.deadline_s is None or now < attempt.deadline_s:
                continue
            if attempt.outcome is None:
                self.end(attempt.id, End.TIMEOUT)
            else:
                self._cut_hooks(attempt)

    def _cut_hooks(self, attempt: Attempt) -> None:
        """End the hooks of an attempt, once; what its function came to stands."""
        if attempt.hooks_cut:
            return
        attempt.hooks_cut = True
        if attempt.task is not None:
            log_cut_hooks(attempt)
            attempt.task.cancel()
        elif attempt.hand is not None:
            attempt.hand.end(attempt, End.TIMEOUT)

    def abandon(self, attempt: Attempt) -> None:
        """Go on without an attempt that was settled past its deadline and still hangs."""
        attempt.leave()
        if attempt.task is None:
            attempt.consumer.crew.abandon(attempt)


def settlement_of(attempt: Attempt, outcome: Outcome, dead_ttl_s: float) -> Settlement:
    """Return what to tell Redis. Any thread."""
    data = _ENCODE(outcome.data)
    definition = attempt.definition
    kept: bytes | None = None
    cached: bytes | None = None
    if outcome.status is JobStatus.COMPLETE and definition.cache_key is not None and attempt.envelope.cache:
        cached = _ENCODE(SettleData(result=outcome.data.result, cache_hit=True))
    match outcome.status:
        case JobStatus.COMPLETE if definition.save_result:
            ttl_ms = max(definition.ttl_ms, _UNSAVED_TTL_MS)
        case JobStatus.COMPLETE:
            ttl_ms = _UNSAVED_TTL_MS
            kept = _ENCODE(SettleData(attempt=outcome.data.attempt, started_ms=outcome.data.started_ms))
        case JobStatus.FAILED:
            ttl_ms = int(dead_ttl_s * 1000)
        case _:
            ttl_ms = _CANCELLED_TTL_MS
    return Settlement(
        job_id=attempt.id,
        token=attempt.token,
        target=outcome.status,
        data=data,
        kept=kept,
        delay_ms=outcome.delay_ms or 0,
        ttl_ms=ttl_ms,
        cached=cached,
        cached_ms=definition.cache_ttl_ms,
    )


def _forget_cancels(attempt: Attempt) -> None:
    """Have hooks run in a task that is not being cancelled: the cancel that ended the function is over."""
    task = attempt.task
    while task is not None and task.cancelling():
        task.uncancel()


def _hand_back(attempt: Attempt) -> Settlement:
    data = _ENCODE(SettleData(attempt=attempt.attempt, started_ms=attempt.started_ms))
    return Settlement(job_id=attempt.id, token=attempt.token, target=JobStatus.QUEUED, data=data)
