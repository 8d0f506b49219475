"""A Redis, a worker and a running job in memory, for the tests of ``declare`` alone."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from upnext_django.core.artifact import ArtifactFacts
from upnext_django.core.job import (
    Ending,
    Envelope,
    LiveJob,
    NewJob,
    SettleData,
    SubmitAnswer,
    SubmitReply,
)
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.core.masking import Mask
from upnext_django.declare.context import get_current_context
from upnext_django.declare.current import current_job
from upnext_django.declare.ports import Broker, Delivery
from upnext_django.declare.registry import registry
from upnext_django.exceptions import JobNotFound


class FakeWaiter:
    def __init__(self, broker: FakeBroker, job_id: str) -> None:
        self.job_id = job_id
        self.broker = broker
        self.event = threading.Event()
        self.outcome: Ending | Exception | None = None
        self.callbacks: list[Callable[[], object]] = []

    @property
    def done(self) -> bool:
        return self.event.is_set()

    @property
    def is_unknown(self) -> bool:
        return isinstance(self.outcome, JobNotFound)

    def resolve(self, outcome: Ending | Exception) -> None:
        if self.done:
            return
        self.outcome = outcome
        self.event.set()
        for callback in self.callbacks:
            callback()

    def when_done(self, callback: Callable[[], object]) -> None:
        if self.done:
            callback()
        else:
            self.callbacks.append(callback)

    async def ending(self, timeout: float | None) -> Ending:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        self.when_done(lambda: loop.call_soon_threadsafe(woken.set))
        await asyncio.wait_for(woken.wait(), timeout)
        return self.ending_sync(0)

    def ending_sync(self, timeout: float | None) -> Ending:
        if not self.event.wait(timeout):
            raise TimeoutError(f"job {self.job_id} is not done")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert self.outcome is not None
        return self.outcome

    def close(self) -> None:
        self.broker.open_waiters.discard(self)


@dataclass
class Row:
    job: NewJob
    status: JobStatus
    ending: Ending | None = None
    watched: bool = False


@dataclass
class FakeHandlers:
    """What workers elsewhere announced: event -> function -> definition."""

    announced: dict[str, dict[str, bytes]] = field(default_factory=dict)

    async def of(self, event: str) -> dict[str, bytes]:
        return self.of_sync(event)

    def of_sync(self, event: str) -> dict[str, bytes]:
        return self.announced.get(event, {})

    def last(self, event: str) -> dict[str, bytes] | None:
        return self.announced.get(event)


@dataclass
class FakeBroker:
    """Keeps jobs in a dict. ``on_accept`` is called with each new job: a worker, or nothing."""

    on_accept: Callable[[NewJob], object] | None = None
    client_id: str = "client"
    url_masked: str = "redis://fake"
    rows: dict[str, Row] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    open_waiters: set[FakeWaiter] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    cancelled: list[tuple[str, bool]] = field(default_factory=list)
    listened: set[str] = field(default_factory=set)
    invalidated: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    failure: Exception | None = None
    handlers: FakeHandlers = field(default_factory=FakeHandlers)
    pending: list[asyncio.Future[SubmitReply]] = field(default_factory=list)

    @property
    def jobs(self) -> list[NewJob]:
        return [row.job for row in self.rows.values()]

    def envelope(self, job_id: str) -> Envelope:
        return msgspec.json.decode(self.rows[job_id].job.envelope, type=Envelope)

    # -- the interface

    def listen(self, queue: str) -> None:
        self.listened.add(queue)

    async def submit(self, jobs: Sequence[NewJob]) -> list[SubmitReply]:
        self.calls["submit"] += 1
        return self.accept_all(jobs)

    def submit_sync(self, jobs: Sequence[NewJob]) -> list[SubmitReply]:
        self.calls["submit_sync"] += 1
        return self.accept_all(jobs)

    def submit_stream_sync(self, batches: Iterable[Sequence[NewJob]]) -> Iterator[list[SubmitReply]]:
        for batch in batches:
            self.calls["submit_stream_sync"] += 1
            yield self.accept_all(batch)

    def submit_soon(self, job: NewJob) -> asyncio.Future[SubmitReply]:
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[SubmitReply] = loop.create_future()
        self.pending.append(reply)

        def send() -> None:
            self.calls["submit_soon"] += 1
            try:
                answer = self.accept(job)
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits the reply
                reply.set_exception(error)
                reply.exception()
            else:
                reply.set_result(answer)

        loop.call_soon(send)
        return reply

    async def cancel(self, job_id: str, *, tree: bool = False) -> bool:
        return self.cancel_sync(job_id, tree=tree)

    def cancel_sync(self, job_id: str, *, tree: bool = False) -> bool:
        self.cancelled.append((job_id, tree))
        if self.rows[job_id].status in TERMINAL:
            return False
        self.end(job_id, JobStatus.CANCELLED, SettleData(error="cancelled"))
        return True

    async def invalidate(self, queue: str, functions: Sequence[str], digest: str) -> bool:
        return self.invalidate_sync(queue, functions, digest)

    def invalidate_sync(self, queue: str, functions: Sequence[str], digest: str) -> bool:
        self.invalidated.append((queue, tuple(functions), digest))
        return True

    async def job(self, job_id: str) -> LiveJob | None:
        return self.job_sync(job_id)

    def job_sync(self, job_id: str) -> LiveJob | None:
        self.calls["job"] += 1
        row = self.rows.get(job_id)
        if row is None:
            return None
        return LiveJob(
            id=job_id,
            queue=row.job.queue,
            status=row.status,
            envelope=self.envelope(job_id),
            attempts=1 if row.ending else 0,
            crashes=0,
            handbacks=0,
            seq=1,
            created_ms=1_700_000_000_000,
            run_at_ms=None,
            started_ms=None,
            completed_ms=row.ending.completed_ms if row.ending else None,
            worker_id=None,
            progress=None,
            progress_message=None,
            checkpoint=None,
            ending=row.ending.data if row.ending else None,
            duplicate_of=None,
            cancel_asked=False,
        )

    def expect(self, job_id: str) -> FakeWaiter:
        waiter = FakeWaiter(self, job_id)
        self.open_waiters.add(waiter)
        return waiter

    async def watch(self, waiter: Any) -> None:
        self.watch_sync(waiter)

    def watch_sync(self, waiter: Any) -> None:
        self.calls["watch"] += 1
        row = self.rows.get(waiter.job_id)
        if row is None:
            waiter.resolve(JobNotFound(waiter.job_id))
            return
        row.watched = True
        if row.ending is not None:
            waiter.resolve(row.ending)

    # -- what a test does to it

    def accept_all(self, jobs: Sequence[NewJob]) -> list[SubmitReply]:
        self.sizes.append(len(jobs))
        return [self.accept(job) for job in jobs]

    def accept(self, job: NewJob) -> SubmitReply:
        if self.failure is not None:
            raise self.failure
        if job.id in self.rows:
            return SubmitReply(SubmitAnswer.EXISTS)
        if job.key is not None:
            winner = self.keys.setdefault((job.function, job.key), job.id)
            if winner != job.id:
                return SubmitReply(SubmitAnswer.DUPLICATE, winner)
        self.rows[job.id] = Row(job, JobStatus.QUEUED, watched=job.reply == self.client_id)
        if self.on_accept is not None:
            self.on_accept(job)
        return SubmitReply(SubmitAnswer.ACCEPTED)

    def complete(self, job_id: str, value: Any = None) -> bool:
        raw = msgspec.Raw(msgspec.json.encode(value))
        self.end(job_id, JobStatus.COMPLETE, SettleData(attempt=1, started_ms=1_700_000_000_000, result=raw))
        return True

    def fail(self, job_id: str, error: str = "ValueError: no", *, timed_out: bool = False) -> bool:
        data = SettleData(attempt=2, started_ms=1_700_000_000_000, error=error, timed_out=timed_out)
        self.end(job_id, JobStatus.FAILED, data)
        return True

    def end(self, job_id: str, status: JobStatus, data: SettleData) -> None:
        row = self.rows[job_id]
        row.status = status
        row.ending = Ending(job_id=job_id, status=status, completed_ms=1_700_000_001_000, data=data)
        if not row.watched:
            return
        for waiter in list(self.open_waiters):
            if waiter.job_id == job_id:
                waiter.resolve(row.ending)


@dataclass
class FakeSender:
    """The sender inside a transaction: holds everything back until commit() or rollback()."""

    held: list[tuple[Broker, Sequence[NewJob], Delivery]] = field(default_factory=list)

    def defers(self, *, using: str | None, on_commit: bool) -> bool:
        return on_commit

    def keeps(self, *, on_commit: bool) -> bool:
        return False

    def send(self, broker: Broker, jobs: Sequence[NewJob], *, using: str | None, on_commit: bool) -> Delivery:
        if not on_commit:
            return Delivery("sent", broker.submit_sync(jobs))
        delivery = Delivery("deferred")
        self.held.append((broker, jobs, delivery))
        return delivery

    def commit(self) -> None:
        for broker, jobs, delivery in self.held:
            delivery.replies = broker.submit_sync(jobs)
            delivery.state = "sent"

    def rollback(self) -> None:
        for _, _, delivery in self.held:
            delivery.state = "discarded"


class FakeRunningJob:
    """One attempt of a job; ``slots`` is the worker's semaphore, None for none to give back."""

    _ids = itertools.count(1)

    def __init__(
        self,
        *,
        job_id: str | None = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        slots: asyncio.Semaphore | None = None,
        attempt: int = 1,
        function: str = "tests.parent",
    ) -> None:
        self.id = job_id or f"parent-{next(self._ids)}"
        self.queue = "w"
        self.lane = 1
        self.function = function
        self.function_name = function.rpartition(".")[2]
        self.parent_id = parent_id
        self.root_id = root_id or self.id
        self.attempt = attempt
        self.max_attempts = 3
        self.worker_id = "worker-id"
        self.held: tuple[str, ...] = ()
        self.first_claim_ms = 1_700_000_000_000
        self.is_cancelled = False
        self.meta: dict[str, Any] = {"tenant": 7}
        self.mask: Mask | None = None
        self.key: str | None = None
        self.is_awaited = False
        self.arguments: tuple[list[Any], dict[str, Any]] = ([], {})
        self.last_checkpoint: Any = None
        self.slots = slots
        self.waits = 0
        self.history: list[Any] = []
        self.ordinals: Counter[tuple[str, bytes]] = Counter()

    def next_ordinal(self, function: str, arguments: bytes) -> int:
        self.ordinals[function, arguments] += 1
        return self.ordinals[function, arguments] - 1

    def set_alarm(self, after_s: float, error: type[Exception]) -> None:
        self.history.append(("alarm", after_s, error))

    def stop_alarm(self) -> None:
        self.history.append("no alarm")

    def set_progress(self, percent: float, message: str | None) -> None:
        self.history.append(("progress", percent, message))

    def checkpoint(self, state: bytes) -> None:
        self.last_checkpoint = msgspec.json.decode(state)

    def send_log(self, level: str, message: str, data: bytes | None) -> None:
        self.history.append(("log", level, message, data))

    def add_artifacts(self, artifacts: Iterable[ArtifactFacts]) -> None:
        self.history.extend(("artifact", facts) for facts in artifacts)

    async def suspend(self) -> None:
        self.suspend_sync()
        if self.waits == 1 and self.slots is not None:
            self.slots.release()

    async def resume(self) -> None:
        self.resume_sync()
        if self.waits == 0 and self.slots is not None:
            await self.slots.acquire()

    def suspend_sync(self) -> None:
        self.waits += 1
        self.history.append("suspend")

    def resume_sync(self) -> None:
        self.waits -= 1
        self.history.append("resume")


class FakeWorker:
    """Runs the jobs of a FakeBroker on the running loop, ``concurrency`` at once."""

    def __init__(self, broker: FakeBroker, *, concurrency: int = 2) -> None:
        self.broker = broker
        self.slots = asyncio.Semaphore(concurrency)
        self.running: set[asyncio.Task[None]] = set()
        self.most = self.now = 0
        broker.on_accept = self.take

    def take(self, job: NewJob) -> None:
        task = asyncio.get_running_loop().create_task(self.run(job), context=contextvars.Context())
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def run(self, job: NewJob) -> None:
        definition = registry.task(job.function).definition
        envelope = self.broker.envelope(job.id)
        current_job.set(
            FakeRunningJob(
                job_id=job.id,
                root_id=envelope.root_id,
                parent_id=envelope.parent_id,
                slots=self.slots,
                function=job.function,
            )
        )
        async with self.slots:
            self.now += 1
            self.most = max(self.most, self.now)
            args, kwargs = definition.signature.decode(envelope.args)
            if definition.signature.takes_context:
                args.insert(0, get_current_context())
            try:
                value = definition.func(*args, **kwargs)
                if definition.is_async:
                    value = await value
            except Exception as error:  # noqa: BLE001 - the user's function
                self.broker.fail(job.id, f"{type(error).__name__}: {error}")
            else:
                self.broker.complete(job.id, value)
            self.now -= 1


@contextmanager
def inside(job: FakeRunningJob) -> Iterator[FakeRunningJob]:
    """Run the block as code of ``job``."""
    token = current_job.set(job)
    try:
        yield job
    finally:
        current_job.reset(token)
