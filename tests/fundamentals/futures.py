"""Plain tasks, async and sync, to submit in every way."""

import asyncio

import upnext_django as upnext

worker = upnext.Worker("futures")


@worker.task
async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@worker.task(name="The sync sum")
def add_in_a_thread(a: int, b: int = 1) -> int:
    return a + b


@worker.task
async def never_ends() -> None:
    await asyncio.Event().wait()


@worker.task
async def takes_wait_timeout(wait_timeout: float) -> float:
    return wait_timeout
