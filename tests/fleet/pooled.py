"""Tasks that run in processes of their own, under test; see jobs.py."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import subprocess
import time
from typing import Any

import upnext_django as upnext
from tests.fleet.ledger import note, pass_gate, pass_gate_sync, said

pooled = upnext.Worker(
    "pooled", concurrency=2, sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=2, queue="pooled"
)


@pooled.task
def where() -> list[int]:
    """Return the process and its parent."""
    return [os.getpid(), os.getppid()]


@pooled.task
def hold(gate: str) -> int:
    note("begun")
    pass_gate_sync(gate)
    note("ended")
    return os.getpid()


@pooled.task
def until_cancelled() -> None:
    note("begun")
    ctx = upnext.get_current_context()
    while not ctx.is_cancelled:
        time.sleep(0.01)
    note("noticed")


@pooled.task(timeout=0.3)
def sleep_too_long() -> None:
    note("begun")
    try:
        time.sleep(60)
    finally:
        note("cleaned-up")


@pooled.task(timeout=0.3, on_failure=lambda: note("on_failure"), on_complete=lambda: note("on_complete"))
def stick() -> None:
    """Hold the interpreter's lock in a call that nothing interrupts."""
    note("begun")
    re.match(r"(a+)+$", "a" * 64 + "b")


@pooled.task(on_complete=lambda: note("on_complete"))
def stick_for_ever() -> None:
    """See stick(); nothing ends it but a kill."""
    note("begun")
    re.match(r"(a+)+$", "a" * 64 + "b")


@pooled.task(timeout=0.3)
def wait_for_a_program() -> None:
    """Wait for a program that would run long after."""
    program = subprocess.Popen(["sleep", "600"])
    note(f"program-{program.pid}")
    while True:
        try:
            program.wait()
        except BaseException:  # noqa: BLE001 - it does not want to end
            continue


@pooled.task
def segfault() -> None:
    note("begun")
    logging.getLogger("tests").warning("about to fall")
    ctypes.string_at(0)


@pooled.task(on_failure=lambda: note("on_failure"))
def exit_at_first() -> int:
    note("begun")
    if said().count("begun") == 1:
        os._exit(3)
    return os.getpid()


@pooled.task
def hear_signals() -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    return "it hears no signal that is its worker's"


@pooled.task
def add(a: int, b: int) -> int:
    return a + b


@pooled.task
def spread(count: int) -> int:
    """Wait for children one after the other; all of them need a place in the pool."""
    return sum(add.wait_sync(number, 1).value for number in range(count))


@pooled.task
def deep(levels: int) -> int:
    if not levels:
        return 0
    return 1 + deep.wait_sync(levels - 1).value


@pooled.task
def wait_for_a_gate(gate: str) -> int:
    note("waits")
    return pass_gate_elsewhere.wait_sync(gate).value


@pooled.task
async def pass_gate_elsewhere(gate: str) -> int:
    """In the worker's own loop, so that a child of one who waits needs no process."""
    await pass_gate(gate)
    return 1


@pooled.task
def unencodable() -> Any:
    return object()


@pooled.task
def tell() -> dict[str, Any]:
    ctx = upnext.get_current_context()
    ctx.set_progress(50, "half")
    ctx.checkpoint({"step": 1})
    ctx.send_log("info", "by hand", step=1)
    logging.getLogger("tests.pooled").warning("by logging")
    child = add.submit_sync(1, 2)
    return {
        "job_id": ctx.job_id,
        "worker_id": ctx.worker_id,
        "meta": ctx.meta,
        "checkpoint": ctx.last_checkpoint,
        "child": child.job_id,
    }


@pooled.task(retries=1, retry_delay=0.01)
def go_on_from_the_checkpoint() -> Any:
    ctx = upnext.get_current_context()
    if ctx.attempt == 1:
        ctx.checkpoint({"done": 7})
        raise RuntimeError("again")
    return ctx.last_checkpoint


@pooled.task
async def block_the_loop(seconds: float) -> None:
    note("blocks")
    time.sleep(seconds)  # noqa: ASYNC251  # that is its fault


async def _noted_by_async_hook() -> None:
    note("on_success-async")


@pooled.task(on_start=lambda ctx: note(f"on_start-{ctx.attempt}"), on_success=_noted_by_async_hook)
def with_hooks() -> None:
    note("ran")
