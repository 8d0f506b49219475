"""When a worker is to make room for a fresh process, and with which exit code."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Sequence
from typing import NamedTuple

from upnext_django.runtime.consumer import Consumer
from upnext_django.runtime.executor import Executor
from upnext_django.runtime.memory import MIB, resident_bytes
from upnext_django.runtime.options import EXIT_FAILED, EXIT_RECYCLED, EXIT_STUCK, WorkerOptions

__all__ = ["Retirement"]

_MEMORY_S = 1.0
#: Processes that were started together must not all drain together.
_JITTER = 0.1
_POOL_FAILURES = 5


class _Reason(NamedTuple):
    exit_code: int
    text: str

    @property
    def level(self) -> int:
        return logging.INFO if self.exit_code == EXIT_RECYCLED else logging.ERROR


class Retirement:
    """Looks at a worker ten times a second. Loop thread only."""

    def __init__(
        self, options: WorkerOptions, executor: Executor, consumers: Sequence[Consumer], *, most_stuck: int
    ) -> None:
        self._executor = executor
        self._consumers = consumers
        self._most_stuck = most_stuck
        self._max_jobs = options.max_jobs and round(options.max_jobs * (1 + random.random() * _JITTER))
        self._max_bytes = options.max_memory_mib and options.max_memory_mib * MIB
        self._next_look_s = 0.0

    def reason(self) -> _Reason | None:
        """Return why the worker is to drain and end, None as long as it need not."""
        stuck = sum(consumer.crew.stuck for consumer in self._consumers)
        if stuck > self._most_stuck:
            return _Reason(
                EXIT_STUCK,
                f"more than {self._most_stuck} threads hang; draining, so that a fresh process can go on",
            )
        if any(c.pool is not None and c.pool.failures >= _POOL_FAILURES for c in self._consumers):
            return _Reason(
                EXIT_FAILED, f"no process for sync tasks came up {_POOL_FAILURES} times in a row; ending"
            )
        done = self._executor.done
        if self._max_jobs is not None and done >= self._max_jobs:
            return _Reason(EXIT_RECYCLED, f"{done} jobs have run; draining for a fresh process")
        # One that is too large before it has done anything would be replaced for ever.
        if self._max_bytes is not None and done and (used := self._used()) > self._max_bytes:
            return _Reason(EXIT_RECYCLED, f"{used // MIB} MiB are in use; draining for a fresh process")
        return None

    def _used(self) -> int:
        now = time.monotonic()
        if now < self._next_look_s:
            return 0
        self._next_look_s = now + _MEMORY_S
        pools = (consumer.pool for consumer in self._consumers)
        return resident_bytes(
            [os.getpid(), *(pid for pool in pools if pool is not None for pid in [*pool.pids])]
        )
