"""Tasks with limits over the whole cluster, and one without beside them."""

from __future__ import annotations

import asyncio

import upnext_django as upnext
from tests.fleet.ledger import note

limited = upnext.Worker("limited", concurrency=6)


@limited.task(max_concurrency=5)
async def capped(ms: float) -> None:
    note("in")
    await asyncio.sleep(ms / 1000)
    note("out")


@limited.task(max_concurrency=2, concurrency_key="{account}")
async def capped_each(account: int, ms: float) -> None:
    note(f"in{account}")
    await asyncio.sleep(ms / 1000)
    note(f"out{account}")


@limited.task(rate_limit="40/s")
async def rated() -> None:
    note("start")


@limited.task
async def free() -> None:
    note("free")


@limited.task(max_concurrency=1)
async def alone(depth: int) -> str:
    """Wait for itself: its own place is the only one."""
    try:
        return str((await alone.wait(depth - 1)).value) if depth else "deep"
    except upnext.WorkflowDeadlock as error:
        return f"refused: {error}"


@limited.task(max_concurrency=1)
async def there(back: bool) -> str:
    try:
        return str((await (back_again.wait() if back else plain.wait())).value)
    except upnext.WorkflowDeadlock:
        return "a circle"


@limited.task
async def back_again() -> str:
    return str((await there.wait(back=False)).value)


@limited.task
async def plain() -> str:
    return "plain"
