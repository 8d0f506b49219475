"""Tasks that end in odd moments: late, in their hooks, or never. One slot."""

from __future__ import annotations

import asyncio
import time

import upnext_django as upnext
from tests.fleet.ledger import note, pass_gate, pass_gate_sync

odd = upnext.Worker("odd", concurrency=1)
#: One slot and many claimed ahead, whatever they take.
greedy = upnext.Worker("greedy", concurrency=1, prefetch=20)


@odd.task
async def add(a: int, b: int) -> int:
    return a + b


@odd.task
async def hold(gate: str) -> None:
    note("begun")
    await pass_gate(gate)


@odd.task
async def parent(gate: str) -> None:
    """Wait for a child that holds the only slot meanwhile."""
    note("parent")
    await hold.wait(gate)


@odd.task
async def leave_a_wait_behind() -> None:
    """Submit a child and wait for it in a task that outlives this job."""
    asyncio.get_running_loop().kept = asyncio.create_task(add.wait(1, 2))  # type: ignore[attr-defined]


async def slow_hook() -> None:
    note("hook")
    await pass_gate("hook")


@odd.task(on_success=slow_hook)
async def hooked() -> int:
    return 5


def leaving_hook() -> None:
    raise SystemExit(3)


@odd.task(on_success=leaving_hook)
def hooked_in_thread() -> int:
    return 5


@odd.task(timeout=4.0, retries=1, retry_delay=0.05, retry_jitter=0.0)
def hang_once(gate: str) -> int:
    """Hang past the deadline in the first attempt, then run for a while."""
    attempt = upnext.get_current_context().attempt
    note("begun")
    if attempt == 1:
        try:
            time.sleep(7.5)  # the worker ends it without its thread 2.5 s past the deadline
        finally:
            note("woke")
    pass_gate_sync(gate)
    return 2


@odd.task(timeout=0.3)
def stick() -> None:
    note("begun")
    time.sleep(30)


@greedy.task
async def one_at_a_time(gate: str) -> None:
    note("begun")
    await pass_gate(gate)


@odd.task
async def napping(seconds: float) -> None:
    await asyncio.sleep(seconds)


@odd.task
async def tell(gate: str) -> None:
    note("begun")
    await pass_gate(gate)
    upnext.get_current_context().set_progress(50.0, "half")
