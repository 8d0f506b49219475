"""One attempt of one job in this process: what ``declare`` and user code see as the running job."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from upnext_django.broker.scripts.claim import ClaimedJob
from upnext_django.core.artifact import ArtifactFacts
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import Envelope
from upnext_django.core.masking import Mask
from upnext_django.core.outcome import Outcome
from upnext_django.core.text import shorten, storable
from upnext_django.declare.surroundings import Around
from upnext_django.runtime import sensitive

if TYPE_CHECKING:
    from upnext_django.runtime.consumer import Consumer
    from upnext_django.runtime.crew import Hand

__all__ = ["Attempt", "End", "LogLine", "Running"]

#: When (ms), level, message, JSON of the data.
LogLine: TypeAlias = tuple[int, str, str, bytes | None]

_MAX_LOGS = 1000
_MAX_LOG_CHARS = 8192
#: How long the hooks of an attempt may take together, in seconds.
_HOOKS_LEAST_S = 2.0
_HOOKS_MOST_S = 1800.0


@lru_cache(maxsize=4096)
def _place(stream: str) -> tuple[bool, int, str]:
    """Return whether a stream is one of suspects, its lane, and the digest of its limit key."""
    kind, _, *rest = stream.split(":")
    if kind == "suspects":
        return True, 0, rest[0] if rest else ""
    return False, int(rest[0]), rest[1] if len(rest) > 1 else ""


class End:
    """Why an attempt is being ended from outside; at most one, the first."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    HAND_BACK = "hand back"
    LOST = "lost"
    CRASH = "crash"  # the process that ran it died; only it, not the worker


class Running(ABC):
    """What user code sees of an attempt, wherever it runs: in this process or in one of its pool.

    Implements ``declare.current.RunningJob`` but for the slot and the worker's name.
    """

    id: str
    queue: str
    token: int
    attempt: int
    first_claim_ms: int
    started_ms: int
    stored_checkpoint: bytes
    lane: int
    digest: str
    envelope: Envelope
    definition: TaskDefinition
    parent_id: str | None
    root_id: str
    timeout_s: float | None

    # Defaults of what most attempts never set: not assigning them is what makes a claim cheap.
    end: str | None = None
    #: Takes what must not be stored out of texts: sensitive arguments, secrets. None if there is nothing.
    mask: Mask | None = None
    is_sensitive = False
    #: What surrounds the attempt, while its function and its hooks run.
    around: Around | None = None
    progress: tuple[float, str | None] | None = None
    checkpoint_raw: bytes | None = None
    logs: deque[LogLine] | None = None
    artifacts: deque[ArtifactFacts] | None = None
    _logs_left = _MAX_LOGS
    _ordinals: dict[tuple[str, bytes], int] | None = None

    @property
    @abstractmethod
    def worker_id(self) -> str: ...

    @abstractmethod
    def touch(self) -> None:
        """Have the news (progress, checkpoint, logs, artifacts) taken along soon. Any thread."""

    @abstractmethod
    async def suspend(self) -> None: ...

    @abstractmethod
    async def resume(self) -> None: ...

    @abstractmethod
    def suspend_sync(self) -> None: ...

    @abstractmethod
    def resume_sync(self) -> None: ...

    @abstractmethod
    def set_alarm(self, after_s: float, error: type[Exception]) -> None: ...

    @abstractmethod
    def stop_alarm(self) -> None: ...

    def hide(self, secrets: Mask | None) -> None:
        """Keep out of texts what ``secrets`` has; what is sensitive comes to it with the call."""
        if self.envelope.sealed or self.definition.sensitive:
            self.is_sensitive = True
        if secrets is not None:
            self.mask = secrets

    @property
    def is_dirty(self) -> bool:
        return (
            bool(self.logs)
            or self.progress is not None
            or self.checkpoint_raw is not None
            or bool(self.artifacts)
        )

    @property
    def function(self) -> str:
        return self.definition.function

    @property
    def function_name(self) -> str:
        return self.definition.function_name

    @property
    def max_attempts(self) -> int:
        return self.envelope.max_attempts

    @property
    def held(self) -> tuple[str, ...]:
        held = self.envelope.held
        if self.definition.max_concurrency is not None:
            held = (*held, f"{self.function}:{self.digest}")
        if self.envelope.cache is not None:
            held = (*held, f"cache:{self.function}:{self.envelope.cache}")
        return held

    @property
    def is_cancelled(self) -> bool:
        return self.end is not None

    @property
    def is_awaited(self) -> bool:
        return self.envelope.awaited

    @property
    def key(self) -> str | None:
        return self.envelope.key

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        args, kwargs = msgspec.json.decode(self.envelope.args)
        return args, kwargs

    @property
    def meta(self) -> dict[str, Any]:
        return {name: msgspec.json.decode(raw) for name, raw in (self.envelope.meta or {}).items()}

    @property
    def last_checkpoint(self) -> Any:
        raw = self.checkpoint_raw or self.stored_checkpoint
        if raw and self.is_sensitive:
            return sensitive.open_state(self, raw)
        return msgspec.json.decode(raw) if raw else None

    def next_ordinal(self, function: str, arguments: bytes) -> int:
        ordinals = self._ordinals
        if ordinals is None:
            ordinals = self._ordinals = {}
        key = (function, arguments)
        # Identical calls from several threads of one job are rare and only need different numbers.
        number = ordinals.get(key, -1) + 1
        ordinals[key] = number
        return number

    def set_progress(self, percent: float, message: str | None) -> None:
        if message and self.mask is not None:
            message = self.mask.text(message)
        self.progress = (min(100.0, max(0.0, float(percent))), storable(message) if message else message)
        self.touch()

    def checkpoint(self, state: bytes) -> None:
        self.keep_checkpoint(sensitive.seal_state(self, state) if self.is_sensitive else state)

    def keep_checkpoint(self, state: bytes) -> None:
        """Keep a state that is encrypted already, where it has to be."""
        self.checkpoint_raw = state
        self.stored_checkpoint = state
        self.touch()

    def send_log(self, level: str, message: str, data: bytes | None) -> None:
        if self._logs_left <= 0:
            return
        self._logs_left -= 1
        if self._logs_left == 0:
            level, message, data = (
                "WARNING",
                f"Log full: a job keeps {_MAX_LOGS} lines; the rest is dropped.",
                None,
            )
        if self.mask is not None:
            message, data = self.mask.text(message), self.mask.json(data) if data else None
        if self.logs is None:
            self.logs = deque()
        self.logs.append((int(time.time() * 1000), level, shorten(storable(message), _MAX_LOG_CHARS), data))
        self.touch()

    def add_artifacts(self, artifacts: Iterable[ArtifactFacts]) -> None:
        if self.artifacts is None:
            self.artifacts = deque()
        self.artifacts.extend(artifacts)
        self.touch()


class Attempt(Running):
    """One claim in the worker process. Created per claim, so it is kept small."""

    begun_s: float | None = None
    deadline_s: float | None = None
    task: asyncio.Task[None] | None = None
    hand: Hand | None = None
    alarm: tuple[float, type[Exception]] | None = None
    #: What the function came to, while its hooks run; they can change nothing of it.
    outcome: Outcome | None = None
    hooks_cut = False
    _waits = 0
    _holding = False
    _left = False
    _return: asyncio.Future[None] | None = None

    def __init__(
        self,
        claimed: ClaimedJob,
        queue: str,
        envelope: Envelope,
        definition: TaskDefinition,
        consumer: Consumer,
    ) -> None:
        self.id = claimed.id
        self.queue = queue
        self.token = claimed.token
        self.attempt = claimed.attempt
        self.first_claim_ms = claimed.first_ms
        self.started_ms = claimed.started_ms
        self.stored_checkpoint = claimed.checkpoint
        self.suspect, self.lane, self.digest = _place(claimed.stream)
        self.envelope = envelope
        self.definition = definition
        self.consumer = consumer
        # As hide() does, without a call for each claim.
        if envelope.sealed or definition.sensitive:
            self.is_sensitive = True
        if consumer.mask is not None:
            self.mask = consumer.mask
        self.parent_id = envelope.parent_id
        self.root_id = envelope.root_id or claimed.id
        self.timeout_s = envelope.timeout
        self.renewed_s = time.monotonic()

    # -- what the runtime does with it

    def begin(self) -> None:
        """Have the slot: from here on it is somebody's turn to call the function."""
        self._holding = True
        self.begun_s = time.monotonic()

    def start_clock(self) -> None:
        """Let the timeout count: the function is called next. Any thread.

        A sync attempt that has its slot may still wait for a thread or a process to run it.
        """
        if self.timeout_s is not None:
            self.deadline_s = time.monotonic() + self.timeout_s

    def conclude(self, outcome: Outcome) -> None:
        """Keep what the function came to, and give its hooks a deadline of their own.

        They have what is left of the timeout, and 2 s at least, so that a job still ends within 5 s of
        its deadline; without a timeout half an hour. The attempt's own thread, or task.
        """
        self.outcome = outcome
        now = time.monotonic()
        if self.deadline_s is None:
            self.deadline_s = now + _HOOKS_MOST_S
        else:
            self.deadline_s = max(self.deadline_s, now + _HOOKS_LEAST_S)

    def leave(self) -> None:
        """Give the slot back for good, if this attempt has one. Loop thread only."""
        if self._holding:
            self._holding = False
            self.consumer.slots.release()
        if self._waits:
            self._waits = 0
            self.consumer.suspended -= 1
        self._left = True
        if self.suspect:
            self.consumer.let_out(self)
        self.stop_returning()

    def stop_returning(self) -> None:
        """Queue no longer for a slot: an attempt that is being ended goes on without. Loop thread only."""
        if self._return is not None:
            self._return.cancel()

    @property
    def is_suspended(self) -> bool:
        """Whether it waits for other jobs and has given its slot back."""
        return self._waits > 0

    # -- RunningJob

    @property
    def worker_id(self) -> str:
        return self.consumer.worker_id

    def touch(self) -> None:
        self.consumer.reporter.touch(self)

    def add_logs(self, lines: Iterable[LogLine]) -> None:
        """Take over lines that the attempt wrote in another process, where they were counted."""
        if self.logs is None:
            self.logs = deque()
        self.logs.extend(lines)
        self.touch()

    def set_alarm(self, after_s: float, error: type[Exception]) -> None:
        self.alarm = (time.monotonic() + after_s, error)

    def stop_alarm(self) -> None:
        self.alarm = None
        if self.hand is not None:
            self.hand.calm()

    async def suspend(self) -> None:
        self._suspend()

    async def resume(self) -> None:
        await self._resume()

    def suspend_sync(self) -> None:
        self.consumer.crew.lend_place(self)
        self.consumer.loop.call_soon_threadsafe(self._suspend)

    def resume_sync(self) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._resume(), self.consumer.loop).result()
        finally:
            self.consumer.crew.take_place(self)

    def _suspend(self) -> None:
        # A task that the job left behind waits on its own account: it has no slot to give or to take.
        if self._left:
            return
        self._waits += 1
        if self._waits == 1:
            self.consumer.suspended += 1
        if self._holding:
            self._holding = False
            self.consumer.slots.release()

    async def _resume(self) -> None:
        if self._left:
            return
        self._waits -= 1
        if self._waits:
            return
        self.consumer.suspended -= 1
        if self._holding or self.end is not None:
            return
        returning = self._return
        if returning is None:
            returning = self._return = asyncio.ensure_future(self.consumer.slots.retake())
        await asyncio.wait({returning})
        # Branches of the job that come back together share one slot; the first to wake sees to it.
        if self._return is returning:
            self._return = None
            if not returning.cancelled():
                self._holding = not self._left
                if self._left:
                    self.consumer.slots.release()
