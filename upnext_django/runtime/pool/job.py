"""The running job, in the process of a pool that runs it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable

import msgspec

from upnext_django.core.artifact import ArtifactFacts
from upnext_django.core.definition import TaskDefinition
from upnext_django.runtime.attempt import Running
from upnext_django.runtime.crew import raise_in
from upnext_django.runtime.pool.messages import (
    FromChild,
    Granted,
    JobFacts,
    Log,
    News,
    Refused,
    Resume,
    Suspend,
)

__all__ = ["PoolJob"]


class PoolJob(Running):
    """Says its news, and asks for its slot, over the pipe to the worker."""

    def __init__(
        self,
        facts: JobFacts,
        definition: TaskDefinition,
        *,
        send: Callable[[FromChild], None],
        touched: Callable[[], None],
        tell: Callable[[PoolJob], None],
    ) -> None:
        self.id = facts.id
        self.queue = facts.queue
        self.token = facts.token
        self.attempt = facts.attempt
        self.first_claim_ms = facts.first_claim_ms
        self.started_ms = facts.started_ms
        self.lane = facts.lane
        self.digest = facts.digest
        self.envelope = facts.envelope
        self.stored_checkpoint = b"" if facts.checkpoint is msgspec.UNSET else bytes(facts.checkpoint)
        self.definition = definition
        self.parent_id = facts.envelope.parent_id
        self.root_id = facts.envelope.root_id or facts.id
        self.timeout_s = facts.envelope.timeout
        self.answers: queue.SimpleQueue[Granted | Refused] = queue.SimpleQueue()
        #: What a thread that the function left behind says comes too late.
        self.left = False
        self._worker_id = facts.worker_id
        self._send = send
        self._touched = touched
        self._tell = tell
        self._waits = 0
        self._lock = threading.Lock()
        self._alarm: threading.Timer | None = None
        self._alarming = threading.Lock()

    @property
    def worker_id(self) -> str:
        return self._worker_id

    def touch(self) -> None:
        if not self.left:
            self._touched()

    def set_alarm(self, after_s: float, error: type[Exception]) -> None:
        self._alarm = threading.Timer(after_s, self._sound, (error,))
        self._alarm.daemon = True
        self._alarm.start()

    def stop_alarm(self) -> None:
        with self._alarming:
            alarm, self._alarm = self._alarm, None
            if alarm is not None:
                alarm.cancel()
                # It may have been raised a moment ago and not been heard yet.
                raise_in(threading.main_thread(), None)

    def _sound(self, error: type[Exception]) -> None:
        with self._alarming:
            if self._alarm is not None and not self.left:
                raise_in(threading.main_thread(), error)

    # Progress is only the latest; what else a job says must have left before the function dies.

    def checkpoint(self, state: bytes) -> None:
        super().checkpoint(state)
        self._tell_now()

    def send_log(self, level: str, message: str, data: bytes | None) -> None:
        super().send_log(level, message, data)
        self._tell_now()

    def add_artifacts(self, artifacts: Iterable[ArtifactFacts]) -> None:
        super().add_artifacts(artifacts)
        self._tell_now()

    def _tell_now(self) -> None:
        if not self.left:
            self._tell(self)

    def take_news(self) -> News | None:
        """Empty the news into a message; None if there is none."""
        progress, self.progress = self.progress, None
        checkpoint, self.checkpoint_raw = self.checkpoint_raw, None
        logs = []
        while self.logs:
            at_ms, level, message, data = self.logs.popleft()
            logs.append(Log(at_ms, level, message, msgspec.Raw(data or b"null")))
        artifacts = []
        while self.artifacts:
            artifacts.append(self.artifacts.popleft())
        if progress is None and checkpoint is None and not logs and not artifacts:
            return None
        raw = msgspec.UNSET if checkpoint is None else msgspec.Raw(checkpoint)
        return News(id=self.id, progress=progress, checkpoint=raw, logs=logs, artifacts=artifacts)

    # -- the slot; waits of several threads overlap, the first gives it back and the last takes it

    def suspend_sync(self) -> None:
        with self._lock:
            if self.left:
                return
            if not self._waits:
                self._ask(Suspend())
            self._waits += 1

    def resume_sync(self) -> None:
        with self._lock:
            if self.left:
                return
            self._waits -= 1
            if not self._waits:
                self._ask(Resume())

    async def suspend(self) -> None:
        await asyncio.to_thread(self.suspend_sync)

    async def resume(self) -> None:
        await asyncio.to_thread(self.resume_sync)

    def _ask(self, question: Suspend | Resume) -> None:
        self._send(question)
        answer = self.answers.get()
        if isinstance(answer, Refused):
            raise RuntimeError(answer.text)
