"""Tasks that stand in each other's way. A gate is a file: who holds waits until it is there."""

from __future__ import annotations

from pathlib import Path

import upnext_django as upnext
from tests.waiting import await_until, wait_until

worker = upnext.Worker("reasons", concurrency=8)
narrow = upnext.Worker("narrow", concurrency=1)


async def opened(gate: str) -> str:
    await await_until(lambda: Path(gate).exists(), "the gate opens", timeout=60)
    return "opened"


@worker.task
async def hold(gate: str) -> str:
    return await opened(gate)


@worker.task
async def parent(gate: str) -> str:
    result = await hold.wait(gate)
    return result.value


@worker.task(max_concurrency=1)
async def capped(gate: str) -> str:
    return await opened(gate)


@worker.task(max_concurrency=1, concurrency_key="{tenant}")
async def capped_each(tenant: str, gate: str) -> str:
    return await opened(gate)


@worker.task(rate_limit="1/hour")
async def rated() -> None: ...


@worker.task(retries=1, retry_delay=3000)
async def fails() -> None:
    raise ValueError("not today")


@worker.task
def stubborn(gate: str) -> str:
    wait_until(lambda: Path(gate).exists(), "the gate opens", timeout=60)
    return "opened"


@narrow.task
async def slow(gate: str) -> str:
    return await opened(gate)
