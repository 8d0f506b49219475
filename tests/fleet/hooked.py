"""Tasks whose hooks raise, hang or take their time. Two slots."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import upnext_django as upnext
from tests.fleet.ledger import note, pass_gate, pass_gate_sync

hooked = upnext.Worker("hooked", concurrency=2)

ENDINGS: dict[str, Any] = {
    "on_success": lambda: note("success"),
    "on_failure": lambda: note("failure"),
    "on_retry": lambda: note("retry"),
    "on_complete": lambda: note("complete"),
}
ONCE_AGAIN: dict[str, Any] = {"retries": 1, "retry_delay": 0.01, "retry_jitter": 0.0}


@hooked.task
async def add(a: int, b: int) -> int:
    return a + b


@hooked.task
def add_in_thread(a: int, b: int) -> int:
    return a + b


# -- hooks that hang


async def hang() -> None:
    note("hang")
    try:
        await asyncio.sleep(60)
    finally:
        note("cut")


def hang_in_python() -> None:
    note("hang")
    try:
        while True:
            time.sleep(0.01)
    finally:
        note("cut")


def hang_in_c() -> None:
    note("hang")
    time.sleep(15)


@hooked.task(timeout=0.5, on_success=hang, **ONCE_AGAIN)
async def async_with_async_hook() -> int:
    note("run")
    return 7


@hooked.task(timeout=0.5, on_success=hang_in_c, **ONCE_AGAIN)
async def async_with_sync_hook() -> int:
    note("run")
    return 7


@hooked.task(timeout=0.5, on_success=hang, **ONCE_AGAIN)
def sync_with_async_hook() -> int:
    note("run")
    return 7


@hooked.task(timeout=0.5, on_success=hang_in_python, **ONCE_AGAIN)
def sync_with_sync_hook() -> int:
    note("run")
    return 7


@hooked.task(timeout=0.5, on_success=hang_in_c, **ONCE_AGAIN)
def sync_with_stuck_hook() -> int:
    note("run")
    return 7


# -- hooks that raise what ends more than themselves


async def wait_for_what_was_cancelled() -> None:
    waiting = asyncio.get_running_loop().create_future()
    waiting.cancel()
    await waiting


@hooked.task(on_success=wait_for_what_was_cancelled, on_complete=lambda: note("complete"))
async def with_a_cancelled_wait() -> int:
    return 7


class Ending:
    """A hook that raises what it was made with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self) -> None:
        raise self.error


@hooked.task(on_success=Ending(asyncio.CancelledError()), on_complete=lambda: note("complete"))
def cancelled_in_thread() -> int:
    return 7


@hooked.task(on_success=Ending(KeyboardInterrupt()), on_complete=lambda: note("complete"))
def interrupted_in_thread() -> int:
    return 7


# -- timeouts, cancels, the worker's end


@hooked.task(timeout=0.3, **ONCE_AGAIN, **ENDINGS)
async def too_slow() -> None:
    await asyncio.sleep(60)


@hooked.task(timeout=0.3, **ONCE_AGAIN, **ENDINGS)
def too_slow_in_thread() -> None:
    while True:
        time.sleep(0.01)


@hooked.task(**ENDINGS)
async def held(gate: str) -> None:
    note("run")
    await pass_gate(gate)


@hooked.task(**ENDINGS)
def held_in_thread(gate: str) -> None:
    note("run")
    while not upnext.get_current_context().is_cancelled:
        time.sleep(0.01)


def wait_at_gate() -> None:
    note("hook")
    pass_gate_sync("hook")


@hooked.task(on_success=wait_at_gate, **ONCE_AGAIN)
def done_but_for_its_hook() -> int:
    note("run")
    return 7


async def sleep_a_little() -> None:
    """Use what asks how often its task was cancelled."""
    async with asyncio.timeout(10):
        await asyncio.sleep(0.01)
    note("slept")


@hooked.task(timeout=0.3, on_failure=sleep_a_little)
async def too_slow_and_told() -> None:
    await asyncio.sleep(60)
