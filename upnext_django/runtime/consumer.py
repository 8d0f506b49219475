"""The fetching side of one Worker: claims for its functions as far as its slots reach.

It reads without blocking while there is work and room, and sleeps on its bells when there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from upnext_django.broker.broker import Broker
from upnext_django.broker.link import AsyncLink
from upnext_django.broker.script import Call
from upnext_django.broker.scripts import claim, register
from upnext_django.broker.scripts.claim import ClaimedJob
from upnext_django.core.capability import capability_of
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import Envelope
from upnext_django.core.masking import Mask
from upnext_django.exceptions import RedisUnavailable
from upnext_django.runtime.attempt import Attempt, End
from upnext_django.runtime.crew import Crew, Hand, waiting_processes, waiting_threads
from upnext_django.runtime.executor import Executor
from upnext_django.runtime.pool.hand import Pool, hands_of
from upnext_django.runtime.pool.order import default_size
from upnext_django.runtime.reporter import Reporter
from upnext_django.runtime.slots import Slots

__all__ = ["BLOCK_S", "Consumer"]

logger = logging.getLogger("upnext.worker")

#: A token that got lost with its connection, or delayed work that only a busy worker knew of, is found
#: by looking again.
BLOCK_S = 1.0
_MOST_AT_ONCE = 256
#: Claimed ahead at most what runs within this time, so that nobody else could have begun it sooner.
_AHEAD_S = 0.02
_WAITED_TOO_LONG_S = 1.0
_MOST_SUSPENDED = 5000
#: A limited function's job counts as started: one that could not begin gives its place back after this.
_LIMITED_WAIT_S = 0.1
#: Processes of a pool end within 2 s, or are killed.
_CLOSE_S = 4.0
_ENVELOPE = msgspec.json.Decoder(Envelope)


class Consumer:
    """Serves one Worker's functions in all their queues. Loop thread only."""

    def __init__(
        self,
        name: str,
        *,
        worker_id: str,
        functions: Mapping[str, Mapping[str, TaskDefinition]],
        capacity: int,
        prefetch: int | None,
        threads: int | None,
        broker: Broker,
        executor: Executor,
        reporter: Reporter,
        loop: asyncio.AbstractEventLoop,
        block_s: float = BLOCK_S,
        mask: Mask | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.name = name
        self.worker_id = worker_id
        self.loop = loop
        self.reporter = reporter
        self.slots = Slots(capacity, self._freed)
        #: Hides the secrets of this process in what its jobs tell.
        self.mask = mask
        self.suspended = 0
        #: queue -> identity (and aliases) -> definition
        self.functions = functions
        self.capabilities = {queue: capability_of(known) for queue, known in functions.items()}
        #: The processes of its sync functions, None if they run in threads.
        self.pool = pool
        self.crew = Crew(
            name,
            size=threads or (capacity if pool is None else default_size(capacity)),
            waiting=waiting_threads(broker.environment)
            if pool is None
            else waiting_processes(broker.environment),
            loop=loop,
            run=executor.run_in_thread,
            ended=executor.ended,
            make_hand=Hand if pool is None else hands_of(pool),
        )
        self.idle = asyncio.Event()
        self._broker = broker
        self._executor = executor
        self._link = AsyncLink(broker.url)
        self._prefetch = prefetch
        self._block_s = block_s
        self._average_s = 0.05
        self._buffer: deque[Attempt] = deque()
        self._ringing: asyncio.Task[None] | None = None
        self._promising: dict[str, None] = dict.fromkeys(functions)
        self._unannounced = list(functions)
        #: Queues whose limited functions wait for a slot here: they are never claimed ahead.
        self._needing: dict[str, None] = {}
        self._next_due: dict[str, float] = {}
        self._room = asyncio.Event()
        self._pumping = False
        self._closing = False
        self._open = asyncio.Event()
        self._open.set()
        self._task: asyncio.Task[None] | None = None
        self._blocked = False
        self._turn = 0

    def about(self) -> dict[str, Any]:
        """What the registry says of it: who it is, how busy, and which capability it has in which queue."""
        return {
            "name": self.name,
            "slots": self.slots.capacity,
            "used": self.slots.used,
            "suspended": self.suspended,
            "capabilities": self.capabilities,
        }

    # -- claiming

    def start(self) -> None:
        self._task = self.loop.create_task(self._run(), name=f"upnext-consumer-{self.name}")

    async def _run(self) -> None:
        pause = 0.1
        while not self._closing:
            try:
                await self._pass()
                pause = 0.1
                continue
            except RedisUnavailable as error:
                logger.warning("%s: %s Trying again in %.1f s.", self.name, error, pause)
            except Exception:
                logger.exception("%s: claiming failed. Trying again in %.1f s.", self.name, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
            self._promising = dict.fromkeys(self.functions)

    async def _pass(self) -> None:
        """Claim once, or wait for room, or sleep until a bell rings."""
        while self._unannounced:
            # The limits of this deploy hold before its first claim.
            await self._link.call(self.registration(self._unannounced[-1], announce=True))
            self._unannounced.pop()
        if self.is_quiet:
            await self._rest()
            return
        if self._missing() < self._worthwhile():
            self._room.clear()
            await self._room.wait()
            return
        if self._promising:
            self.idle.clear()
            await self._claim(next(iter(self._promising)))
            return
        if not self._buffer and not self.slots.used and not self.suspended:
            self.idle.set()
        await self._listen()

    async def _claim(self, queue: str) -> None:
        self._turn += 1
        # To the end of the line, so that one busy queue does not keep the others waiting. And before the
        # call: what is noted while it is on its way, such as a suspect that ended, asks for another look.
        del self._promising[queue]
        call = claim.call(
            self._broker.keys(queue),
            worker=self.worker_id,
            capability=self.capabilities[queue],
            wanted=min(self._missing(), _MOST_AT_ONCE),
            slots=max(0, self.slots.free - len(self._buffer)),
            lanes=self._lanes(),
            suspects=(suspects := self._executor.suspect is None and not self._executor.suspect_asked),
            history=self._broker.environment.history,
        )
        self._executor.suspect_asked |= suspects
        try:
            got = await self._link.call(call, timeout_s=5.0, doing="claiming jobs")
        finally:
            self._executor.suspect_asked ^= suspects
        if not got.registered:
            await self._link.call(self.registration(queue))
            self._promising[queue] = None
            return
        if got.left:
            self._promising[queue] = None
        if got.needs_slot:
            self._needing[queue] = None
        if got.due_in_ms is None:
            self._next_due.pop(queue, None)
        else:
            self._next_due[queue] = self.loop.time() + got.due_in_ms / 1000
        for claimed in got.jobs:
            self._accept(claimed, queue)
        self._pump()

    def registration(self, queue: str, *, announce: bool = False) -> Call[bool]:
        """Return the call that says which functions this Worker knows in ``queue``."""
        functions = self.functions[queue]
        return register.call(
            self._broker.keys(queue),
            self.capabilities[queue],
            functions,
            limits=register.limits_of(functions),
            announce=announce,
        )

    def _accept(self, claimed: ClaimedJob, queue: str) -> None:
        try:
            envelope = _ENVELOPE.decode(claimed.envelope)
            definition = self.functions[queue][envelope.function]
        except (msgspec.MsgspecError, KeyError) as error:
            self._executor.refuse(claimed, queue, error)
            return
        attempt = Attempt(claimed, queue, envelope, definition, self)
        self._executor.held[attempt.id] = attempt
        if attempt.suspect:
            self._executor.suspect = attempt
        if self._closing or self.is_quiet:
            self._executor.end(attempt.id, End.HAND_BACK)
        elif self._executor.was_cancelled_early(attempt.id):
            self._executor.end(attempt.id, End.CANCEL)
        else:
            if not self._buffer:
                self._buffer_since = self.loop.time()
            self._buffer.append(attempt)

    async def _listen(self) -> None:
        now = self.loop.time()
        wait_s = min([self._block_s, *(due - now for due in self._next_due.values())])
        if wait_s <= 0:
            self._promising.update(dict.fromkeys(q for q, due in self._next_due.items() if due <= now))
            return
        bells = {self._broker.keys(q).bell(c).encode(): q for q, c in self.capabilities.items()}
        self._blocked = True
        try:
            reply = await self._link.execute(
                # Never 0.000: that is for ever.
                [b"BLPOP", *bells, f"{max(wait_s, 0.001):.3f}"],
                timeout_s=wait_s + 5,
                doing="waiting for work",
                repeat=False,
            )
        finally:
            self._blocked = False
        if reply is None:
            # Nothing rang: what was due is due now, and once in a while everything is looked at.
            self._promising.update(dict.fromkeys(self.functions))
            return
        queue = bells[bytes(reply[0])]
        self._promising[queue] = None
        if self._missing() <= 0 or self.is_quiet:
            # Parents came back and took the slots meanwhile, or an operator said quiet: somebody else may
            # have room.
            await self._link.execute([b"RPUSH", reply[0], b"1"])

    def _lanes(self) -> str:
        if self.suspended > _MOST_SUSPENDED:
            # Children lie above their parents' lane: only they may come in, or nothing would ever end.
            return "0" if self.suspended > 2 * _MOST_SUSPENDED else "01"
        # Every sixteenth look begins at the bottom, so that no lane starves.
        return "210" if self._turn % 16 == 0 else "012"

    # -- room

    @property
    def _ahead(self) -> int:
        if self._stale:
            return 0
        if self._prefetch is not None:
            return self._prefetch
        return min(_MOST_AT_ONCE, int(self.slots.capacity * _AHEAD_S / self._average_s))

    def _missing(self) -> int:
        return self.slots.free + self._ahead - len(self._buffer)

    def _worthwhile(self) -> int:
        """The fewest jobs to claim for: half of what is kept ahead, so that a trip brings many."""
        return max(1, self._ahead // 2)

    def took(self, seconds: float) -> None:
        """Learn from an attempt that has run: how much to claim ahead."""
        self._average_s += (max(seconds, 0.00002) - self._average_s) * 0.05

    def drop(self, attempt: Attempt) -> None:
        """Forget an attempt that never began."""
        if attempt in self._buffer:
            self._buffer.remove(attempt)

    def let_out(self, suspect: Attempt) -> None:
        """Have room for another suspect, however this one left."""
        if self._executor.suspect is suspect:
            self._executor.suspect = None
            self._promising[suspect.queue] = None
            self._wake(suspect.queue)

    def _wake(self, queue: str) -> None:
        """Look at a queue whose bell rang while this worker could not take what it was for."""
        if self._blocked and not self._closing:
            self._ringing = self.loop.create_task(self._ring(queue))

    async def _ring(self, queue: str) -> None:
        bell = self._broker.keys(queue).bell(self.capabilities[queue])
        with contextlib.suppress(RedisUnavailable):
            await self._broker.clients.current().execute([b"RPUSH", bell, b"1"], doing="waking a worker")

    def hand_back_stale(self) -> None:
        """Give back what was claimed ahead and could not begin: others may have room. Every 100 ms."""
        if self._buffer and self.loop.time() - self._buffer_since > _WAITED_TOO_LONG_S:
            self._average_s = max(self._average_s, 1.0)
            # Until something begins again nothing is claimed ahead: it would come back just the same.
            self._stale = True
            self._executor.hand_back(list(self._buffer))
        latest_s = time.monotonic() - _LIMITED_WAIT_S
        self._executor.hand_back(
            attempt
            for attempt in list(self._buffer)
            if attempt.definition.is_limited and attempt.renewed_s < latest_s
        )

    def _freed(self) -> None:
        if not self._pumping:
            self._pumping = True
            self.loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Begin what is claimed as far as the slots reach."""
        self._pumping = False
        buffer, slots = self._buffer, self.slots
        while buffer and slots.used < slots.capacity:
            slots.take()
            self._executor.start(buffer.popleft())
            self._buffer_since = self.loop.time()
            self._stale = False
        self.crew.wake()
        if self._needing and not buffer and slots.used < slots.capacity:
            needing, self._needing = self._needing, {}
            self._promising.update(needing)
            self._wake(next(iter(needing)))
        if not self._room.is_set() and self._missing() >= self._worthwhile():
            self._room.set()

    _buffer_since = 0.0
    _stale = False

    # -- quiet

    @property
    def is_quiet(self) -> bool:
        """Whether an operator told it to claim no more."""
        return not self._open.is_set()

    def set_quiet(self, quiet: bool) -> None:
        """Claim no more and hand back what has not begun, or claim again. What runs goes on either way."""
        if not quiet:
            self._open.set()
            return
        self._open.clear()
        self._room.set()
        self._executor.hand_back(list(self._buffer))

    async def _rest(self) -> None:
        """Wait for the order to go on, or for the end. Somebody else is told of the work that is left."""
        await self.ring_on_leaving()
        # Nothing more comes in: a burst may end once what runs here has.
        self.idle.set()
        await self._open.wait()
        self._promising = dict.fromkeys(self.functions)

    # -- ending

    async def close_gate(self) -> None:
        """Claim no more; hand back what has not begun. A claim on its way is waited for."""
        self._closing = True
        self._room.set()
        self._open.set()
        if self._task is not None:
            if self._blocked:
                self._task.cancel()
            await asyncio.wait({self._task}, timeout=6.0)
        self._executor.hand_back(list(self._buffer))

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self.crew.close()
        if self.pool is not None:
            await asyncio.to_thread(self.crew.join, _CLOSE_S)
        await self._link.close()

    async def ring_on_leaving(self) -> None:
        """Wake somebody else: a token may have been on its way to the read that was broken off."""
        for queue, capability in self.capabilities.items():
            bell = self._broker.keys(queue).bell(capability)
            if not await self._link.execute([b"EXISTS", bell]):
                await self._link.execute([b"RPUSH", bell, b"1"])
