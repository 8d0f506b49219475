"""Tasks that run longer than they may."""

import asyncio
import threading
import time

import upnext_django as upnext

worker = upnext.Worker("timeouts", concurrency=4)


@worker.task(timeout=0.3)
async def slow_async() -> None:
    await asyncio.Event().wait()


@worker.task(timeout=0.3)
def slow_sync() -> None:
    while True:
        threading.Event().wait(0.01)


@worker.task(timeout=0.3)
async def blocks_the_loop() -> None:
    end = time.monotonic() + 7
    while time.monotonic() < end:
        pass


@worker.task(timeout=0.3, retries=1, retry_delay=0.01)
async def slow_at_first() -> str:
    if upnext.get_current_context().attempt == 1:
        await asyncio.Event().wait()
    return "quick"


@worker.task(timeout=0.5)
async def waits_for_a_child() -> None:
    await slow_child.wait()


@worker.task(timeout=60)
async def slow_child() -> None:
    await asyncio.sleep(3)


@worker.task(timeout=None)
async def without_limit() -> int:
    return 1
