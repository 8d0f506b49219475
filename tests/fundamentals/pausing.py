"""Tasks that are paused while jobs of them come in. A gate is a file: who holds waits until it is there."""

from __future__ import annotations

from pathlib import Path

import upnext_django as upnext
from tests.waiting import await_until

worker = upnext.Worker("pausing", concurrency=4)
apart = upnext.Worker("apart")

happened = worker.event("pausing.happened")


@worker.task
async def double(x: int) -> int:
    return 2 * x


@worker.task
async def hold(gate: str) -> str:
    await await_until(lambda: Path(gate).exists(), "the gate opens", timeout=60)
    return "held"


@worker.task(retries=1, retry_delay=2, retry_jitter=0)
async def second_time(gate: str) -> int:
    if upnext.get_current_context().attempt == 1:
        await await_until(lambda: Path(gate).exists(), "the gate opens", timeout=60)
        raise ValueError("not the first time")
    return 2


@happened.on
async def first_handler(x: int) -> int:
    return x


@happened.on
async def other_handler(x: int) -> int:
    return x


@worker.cron("* * * * * *")
async def each_second() -> None: ...


@apart.task
async def not_paused() -> str:
    return "ran"
