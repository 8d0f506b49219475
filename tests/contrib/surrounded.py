"""Tasks that are traced and reported, async and sync."""

from __future__ import annotations

import os
import signal

import upnext_django as upnext

__all__ = [
    "Spoilt",
    "charges",
    "child",
    "dies",
    "fails",
    "fails_sync",
    "hangs",
    "parent",
    "pool",
    "recovers",
    "seen",
    "worker",
]

worker = upnext.Worker("surrounded", concurrency=4)
pool = upnext.Worker("surrounded-pool", sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=1)
#: What the tasks saw of their surroundings, for tests in the same process.
seen: list[str] = []


class Spoilt(Exception):
    pass


@worker.task
def child(number: int) -> int:
    return number + 1


@worker.task
async def parent(number: int) -> int:
    return (await child.wait(number)).value


@worker.task
async def fails(number: int) -> None:
    raise Spoilt(f"number {number}")


@worker.task
def fails_sync(number: int) -> None:
    raise Spoilt(f"number {number}")


@worker.task(sensitive=("card",))
def charges(card: str) -> None:
    copy = card
    raise Spoilt(f"declined: {copy}")


@worker.task(retries=1, retry_delay=0.01)
async def recovers() -> int:
    ctx = upnext.get_current_context()
    if ctx.attempt == 1:
        raise Spoilt("the first time")
    return ctx.attempt


@worker.task(timeout=0.2)
def hangs() -> None:
    while True:
        sum(range(100))


@pool.task
def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
