"""The thread that keeps this worker's claims, whatever its loop does.

On a connection of its own it renews leases, recovers the jobs of silent workers, says which
functions are known here, and ends attempts that ran past their deadline while nothing else could.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from upnext_django.broker.broker import Broker
from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.link import Command, SyncLink
from upnext_django.broker.scripts import announce, recover, renew, settle
from upnext_django.broker.scripts.renew import RenewReply
from upnext_django.declare.registry import registry
from upnext_django.exceptions import RedisUnavailable
from upnext_django.runtime import unseen
from upnext_django.runtime.attempt import Attempt, End
from upnext_django.runtime.consumer import Consumer
from upnext_django.runtime.executor import Executor, settlement_of
from upnext_django.runtime.health import Health, HealthFile
from upnext_django.runtime.settler import Settler

__all__ = ["Heartbeat"]

logger = logging.getLogger("upnext.heartbeat")

_TICK_S = 0.2
_REGISTER_S = 5.0
#: The functions' definitions change with the code only; they are written again in case Redis lost them.
_FUNCTIONS_S = 60.0
#: A job ends at the latest this long after its deadline, its loop blocked or its thread stuck.
_OVERDUE_S = 2.5
_RENEW_AT_ONCE = 500
#: Full passes of recovery in a row: what takes longer must not keep our own leases waiting.
_PASSES = 50


class Heartbeat:
    """Runs from before the first claim until after the last settlement."""

    def __init__(
        self,
        broker: Broker,
        executor: Executor,
        settler: Settler,
        consumers: Sequence[Consumer],
        loop: asyncio.AbstractEventLoop,
        describe: Callable[[], dict[str, Any]],
        worker_id: str,
        health: Health,
        health_file: HealthFile | None = None,
    ) -> None:
        self._broker = broker
        self._environment = broker.environment
        self._executor = executor
        self._settler = settler
        self._consumers = consumers
        self._loop = loop
        self._describe = describe
        self._worker_id = worker_id
        self._health = health
        self._health_file = health_file
        self._reached_redis = False
        self._link = SyncLink(broker.url, timeout_s=5.0)
        self._stopped = threading.Event()
        self._unconfirmed: dict[str, tuple[str, int]] = {}
        self._due = {"renew": 0.0, "recover": 0.0, "register": 0.0, "functions": 0.0}
        self._thread = threading.Thread(target=self._run, name="upnext-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def register_soon(self) -> None:
        """Tell the registry with the next beat: something about this worker has changed. Any thread."""
        self._due["register"] = 0.0

    def stop(self) -> None:
        """End it and take the worker off the registry: the last thing a worker does."""
        self._stopped.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_S):
            try:
                self._beat()
            except RedisUnavailable as error:
                self._reached_redis = False
                logger.warning("heartbeat: %s", error)
            except Exception:
                self._reached_redis = False
                logger.exception("heartbeat: this beat failed; the next one comes in %.1f s", _TICK_S)
            self._health.beat(reached_redis=self._reached_redis)
            if self._health_file is not None:
                self._health_file.beat(self._health, reached_redis=self._reached_redis)
        if self._health_file is not None:
            self._health_file.remove()
        try:
            self._link.execute([b"HDEL", self._broker.names.workers, self._worker_id])
        except RedisUnavailable:
            logger.info("heartbeat: Redis is away; the registry forgets this worker by itself.")
        self._link.close()

    def _beat(self) -> None:
        lease_s = self._environment.lease_s
        self._end_overdue()
        if self._is_due("register", min(_REGISTER_S, lease_s / 3)):
            self._register()
            self._reached_redis = True
        if self._is_due("renew", lease_s / 10):
            self._renew(lease_s / 3)
        if self._is_due("recover", lease_s / 10):
            self._recover()

    def _is_due(self, what: str, period_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + period_s
        return True

    # -- leases

    def _renew(self, older_than_s: float) -> None:
        now = time.monotonic()
        by_queue: dict[str, list[tuple[str, int]]] = {}
        attempts: dict[str, Attempt] = {}
        for attempt in list(self._executor.held.values()):
            if now - attempt.renewed_s >= older_than_s and not self._is_overdue(attempt, now):
                by_queue.setdefault(attempt.queue, []).append((attempt.id, attempt.token))
                attempts[attempt.id] = attempt
        # An ending that Redis has not confirmed yet still holds its claim. Most are confirmed within
        # milliseconds, so only those that were there at the last look already are renewed.
        unconfirmed = dict(self._settler.unconfirmed)
        for job_id, (queue, token) in unconfirmed.items():
            if self._unconfirmed.get(job_id) == (queue, token):
                by_queue.setdefault(queue, []).append((job_id, token))
        self._unconfirmed = unconfirmed
        for queue, held in by_queue.items():
            for start in range(0, len(held), _RENEW_AT_ONCE):
                part = held[start : start + _RENEW_AT_ONCE]
                answers = self._link.call(renew.call(self._broker.keys(queue), part), doing="renewing leases")
                for (job_id, _), answer in zip(part, answers, strict=True):
                    if job_id in attempts:
                        self._renewed(attempts[job_id], answer, now)

    def _renewed(self, attempt: Attempt, answer: RenewReply, now: float) -> None:
        match answer:
            case RenewReply.OK:
                attempt.renewed_s = now
            case RenewReply.CANCEL:
                attempt.renewed_s = now
                self._tell_loop(self._executor.end, attempt.id, End.CANCEL)
            case RenewReply.LOST:
                # It may have been settled a moment ago; then it is no longer held and this says nothing.
                self._tell_loop(self._lost, attempt)

    def _lost(self, attempt: Attempt) -> None:
        if self._executor.held.get(attempt.id) is attempt:
            logger.warning(
                "job %s: the claim was lost (another worker has the job or it has ended); stopping it here.",
                attempt.id,
                extra={"job_id": attempt.id},
            )
            self._executor.end(attempt.id, End.LOST)

    def _recover(self) -> None:
        died: list[tuple[QueueKeys, str]] = []
        try:
            # Of all queues, also of those nobody here serves: their workers may all have died.
            for queue in self._broker.directory.queues_on(self._link):
                self._take_back(self._broker.keys(queue), died)
        finally:
            # Should Redis go away at a later queue, these are not named again.
            unseen.tell_sync(self._link, died)

    def _take_back(self, keys: QueueKeys, died: list[tuple[QueueKeys, str]]) -> None:
        call = recover.call(
            keys,
            lease_ms=int(self._environment.lease_s * 1000),
            max_crashes=self._environment.max_crashes,
            dead_ttl_ms=int(self._environment.dead_ttl_s * 1000),
            history=self._environment.history,
        )
        taken = passes = 0
        while taken == recover.LIMIT * passes and passes < _PASSES:
            recovered = self._link.call(call, doing="recovering jobs")
            taken += recovered.taken
            passes += 1
            died += ((keys, job_id) for job_id in recovered.died)
        if taken:
            logger.warning("took back %d jobs of queue %s whose worker went silent", taken, keys.queue)

    # -- registry

    def _register(self) -> None:
        for consumer in self._consumers:
            for queue in consumer.functions:
                self._link.call(consumer.registration(queue))
        now_ms = int(time.time() * 1000)
        about = {**self._describe(), "seen_ms": now_ms}
        names = self._broker.names
        commands: list[Command] = [
            [b"HSET", names.workers, self._worker_id, json.dumps(about)],
            [b"SADD", names.queues, *sorted({queue for c in self._consumers for queue in c.functions})],
        ]
        definitions = self._is_due("functions", _FUNCTIONS_S)
        try:
            if definitions:
                commands.append([b"HSET", names.functions, *self._definitions()])
                self._announce_handlers()
            self._link.pipeline(commands, doing="registering")
        except RedisUnavailable:
            if definitions:
                # Events pass by handlers that nobody knows: the next registration says it again.
                self._due["functions"] = 0.0
            raise
        self._forget_silent(now_ms)

    def _announce_handlers(self) -> None:
        """Have senders everywhere know the handlers that run here."""
        served = {name for c in self._consumers for known in c.functions.values() for name in known}
        for event in registry.events:
            handlers = {
                handler.name: msgspec.json.encode(handler.definition.as_json())
                for handler in registry.handlers(event)
                if handler.name in served
            }
            if handlers:
                self._link.call(
                    announce.call(self._broker.names, event, handlers), doing="announcing handlers"
                )

    def _definitions(self) -> list[str | bytes]:
        known = {
            definition.function: definition
            for consumer in self._consumers
            for served in consumer.functions.values()
            for definition in served.values()
        }
        return [part for name, d in known.items() for part in (name, msgspec.json.encode(d.as_json()))]

    def _forget_silent(self, now_ms: int) -> None:
        """Drop workers that were killed: nobody else takes them off the registry."""
        flat = self._link.execute([b"HGETALL", self._broker.names.workers])
        silent = [
            name
            for name, text in zip(flat[::2], flat[1::2], strict=True)
            if now_ms - json.loads(text).get("seen_ms", 0)
            > 4000 * max(self._environment.lease_s, _REGISTER_S)
        ]
        if silent:
            self._link.execute([b"HDEL", self._broker.names.workers, *silent])

    # -- deadlines

    def _is_overdue(self, attempt: Attempt, now: float) -> bool:
        return attempt.deadline_s is not None and now > attempt.deadline_s + _OVERDUE_S

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for attempt in list(self._executor.held.values()):
            if self._is_overdue(attempt, now) and self._executor.take(attempt):
                # Its function may have ended, and a hook hang.
                outcome = attempt.outcome or self._executor.timed_out(attempt)
                settlement = settlement_of(attempt, outcome, self._environment.dead_ttl_s)
                call = settle.call(
                    self._broker.keys(attempt.queue), [settlement], history=self._environment.history
                )
                try:
                    self._link.call(call, doing="ending an overdue job")
                except RedisUnavailable:
                    # Not settled, so still ours: the next beat tries again, lest a timeout become a crash.
                    self._executor.held.setdefault(attempt.id, attempt)
                    raise
                logger.error(
                    "job %s (%s) did not end at its deadline: a call that nothing can interrupt, "
                    "or a blocked event loop. It was ended without it.",
                    attempt.id,
                    attempt.function,
                    extra={"job_id": attempt.id},
                )
                self._tell_loop(self._executor.abandon, attempt)

    def _tell_loop(self, call: Callable[..., object], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)
