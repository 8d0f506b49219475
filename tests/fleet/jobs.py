"""The tasks of the worker processes under test. Time may pass in them: they are not the tests."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections import Counter
from typing import Any

import upnext_django as upnext
from tests.fleet.ledger import note, pass_gate, pass_gate_sync, said
from upnext_django.declare import ports

quick = upnext.Worker("quick", concurrency=4)
other = upnext.Worker("other", concurrency=2)
#: Claims ahead of its slots, however long its jobs take.
ahead = upnext.Worker("ahead", prefetch=5)

# -- ordinary work


@quick.task
async def add(a: int, b: int) -> int:
    return a + b


@quick.task
def add_in_thread(a: int, b: int) -> int:
    return a + b


@quick.task
async def work(ms: float) -> None:
    note("work")
    await asyncio.sleep(ms / 1000)


@quick.task
def work_in_thread(ms: float) -> None:
    note("work")
    time.sleep(ms / 1000)


@quick.task
async def hold(gate: str) -> int:
    """Run until the test opens the gate; tells which attempt in which process did."""
    note("begun")
    try:
        await pass_gate(gate)
    except asyncio.CancelledError:
        note("stopped")
        raise
    note("ended")
    return os.getpid()


@quick.task
def hold_in_thread(gate: str) -> int:
    note("begun")
    pass_gate_sync(gate)
    note("ended")
    return os.getpid()


@quick.task
def until_cancelled() -> None:
    note("begun")
    ctx = upnext.get_current_context()
    while not ctx.is_cancelled:
        time.sleep(0.01)
    note("noticed")


@quick.task
async def nap(seconds: float) -> int:
    note("begun")
    await asyncio.sleep(seconds)
    note("ended")
    return os.getpid()


@quick.task
async def say(word: str) -> None:
    note(word)


@quick.task
async def meet(number: int) -> int:
    """End when this many attempts of it have begun, in whatever processes."""
    note("met")
    while said().count("met") < number:  # noqa: ASYNC110  # the others may be in another process
        await asyncio.sleep(0.01)
    return os.getpid()


@other.task
async def elsewhere() -> str:
    return upnext.get_current_context().worker_id


@quick.task(queue="side")
async def on_the_side() -> str:
    return upnext.get_current_context().worker_id


@quick.task
async def chase(left: int) -> None:
    """Keep the upper lane busy: each one submits the next, until a low one has run."""
    if left and "low" not in said():
        note("chase")
        await chase.options(priority=50).submit(left - 1)


# -- ending badly


@quick.task
async def die() -> None:
    note("die")
    os.kill(os.getpid(), signal.SIGKILL)


@quick.task
async def die_once(gate: str) -> int:
    """Kill the process the first time, and wait at the gate the second time."""
    note("die")
    if said().count("die") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    await pass_gate(gate)
    return upnext.get_current_context().attempt


@quick.task(retries=1, retry_delay=60)
async def fail_for_long() -> None:
    note("failed")
    raise ValueError("no")


@quick.task
async def leave() -> None:
    sys.exit(3)


@quick.task
def leave_in_thread() -> None:
    sys.exit(3)


@quick.task
async def interrupt() -> None:
    raise KeyboardInterrupt


@quick.task
def interrupt_in_thread() -> None:
    raise KeyboardInterrupt


@quick.task
async def leave_from_inner_task() -> None:
    await asyncio.create_task(_leave())


async def _leave() -> None:
    sys.exit(3)


@quick.task
async def unsendable() -> Any:
    return object()


@quick.task
def unsendable_in_thread() -> Any:
    return object()


# -- running too long


@quick.task(timeout=0.3)
async def sleep_too_long() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note("stopped")
        raise


@quick.task(timeout=0.3)
async def refuse_to_stop() -> None:
    note("begun")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("refused")


@quick.task
async def refuse_to_stop_for_ever() -> None:
    note("begun")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("refused")


@quick.task(timeout=0.3)
def spin() -> None:
    note("begun")
    try:
        while True:
            sum(range(100))
    finally:
        note("stopped")


@quick.task(timeout=0.3)
def stick() -> None:
    """Hang in a call that no Python exception reaches."""
    note("begun")
    time.sleep(60)


@quick.task(timeout=0.5)
async def block_the_loop(seconds: float) -> None:
    note("blocked")
    time.sleep(seconds)  # noqa: ASYNC251


@quick.task(timeout=0.3, retries=1, retry_delay=0.01)
async def too_slow_at_first() -> int:
    attempt = upnext.get_current_context().attempt
    if attempt == 1:
        await asyncio.sleep(60)
    return attempt


# -- parents


@quick.task
async def leaf(number: int) -> int:
    note("leaf")
    return number


@other.task
async def far_leaf(number: int, gate: str) -> int:
    note("leaf")
    await pass_gate(gate)
    return number


@quick.task
async def chain(depth: int) -> int:
    if depth == 0:
        return 0
    return 1 + (await chain.wait(depth - 1)).value


@quick.task
def chain_in_thread(depth: int) -> int:
    if depth == 0:
        return 0
    return 1 + chain_in_thread.wait_sync(depth - 1).value


@quick.task
async def spread(width: int) -> int:
    return sum(await upnext.gather([leaf.submit(number) for number in range(width)]))


@quick.task
async def spread_far(width: int, gate: str) -> int:
    note("parent")
    return sum(await upnext.gather([far_leaf.submit(number, gate) for number in range(width)]))


@quick.task
def spread_far_in_thread(width: int, gate: str) -> int:
    note("parent")
    futures = [far_leaf.submit(number, gate) for number in range(width)]
    return sum(future.value_sync() for future in futures)


@quick.task(retries=1, retry_delay=0.01)
async def spread_twice(width: int) -> int:
    total = sum(await upnext.gather([leaf.submit(number) for number in range(width)]))
    if upnext.get_current_context().attempt == 1:
        raise ValueError("again")
    return total


@quick.task
def wait_for_far_leaf(gate: str) -> int:
    note("parent")
    return far_leaf.wait_sync(1, gate).value


@quick.task
async def tree(depth: int, gate: str) -> int:
    note("tree")
    if depth == 0:
        await pass_gate(gate)
        return 1
    return sum(await upnext.gather([tree.submit(depth - 1, gate) for _ in range(2)]))


# -- what a job says of itself


@quick.task
async def count_up(number: int) -> None:
    ctx = upnext.get_current_context()
    for done in range(number):
        ctx.set_progress(100 * done / number, f"{done} of {number}")
        await asyncio.sleep(0.001)
    ctx.set_progress(100, "all")


@quick.task(retries=1, retry_delay=0.01)
async def checkpoint_and_fail() -> Any:
    ctx = upnext.get_current_context()
    if ctx.attempt == 1:
        ctx.checkpoint({"page": 7})
        raise ValueError("again")
    return ctx.last_checkpoint


@quick.task
async def checkpoint_and_hold(gate: str) -> Any:
    ctx = upnext.get_current_context()
    seen = ctx.last_checkpoint
    note("begun")
    if seen is None:
        ctx.checkpoint({"page": 7})
        await pass_gate(gate)
    return seen


@quick.task
async def write_logs() -> None:
    ctx = upnext.get_current_context()
    ctx.send_log("info", "sent", order=7)
    ctx.log.info("by its own %s", "logger")
    logging.getLogger("shop").info("by any logger")
    logging.getLogger("shop").debug("too fine")


@quick.task
def write_logs_in_thread() -> None:
    logging.getLogger("shop").warning("from a thread")


@quick.task
def census() -> dict[str, int]:
    """Count what the runtime keeps for each job, in this process."""
    gc.collect()
    kinds = Counter(type(one).__qualname__ for one in gc.get_objects())
    kept = ("Attempt", "ClaimedJob", "Envelope", "Future", "Settlement", "Task", "Waiter")
    return {kind: kinds[kind] for kind in kept}


class Odd:
    """A value that cannot be shown."""

    def __str__(self) -> str:
        raise LookupError("no text for it")


@quick.task
async def write_odd_logs() -> None:
    log = logging.getLogger("shop.odd")
    log.warning("with %s", "extra", extra={"order": 7, "who": {"name": "Ada"}, "odd": Odd()})
    log.warning("two of %s", 1, 2)
    log.warning("odd: %s", Odd())
    try:
        raise ZeroDivisionError("by hand")
    except ZeroDivisionError:
        log.exception("caught")


@quick.task
def write_odd_logs_in_thread() -> None:
    logging.getLogger("shop.odd").warning("odd: %s", Odd(), extra={"odd": Odd()})


class Nowhere:
    """A storage that keeps nothing: what is told of a file is what counts here."""

    def save(self, path: str, content: bytes) -> str:
        return path

    async def asave(self, path: str, content: bytes) -> str:
        return path


@quick.task
async def make_artifacts_behind(gate: str, count: int) -> list[str]:
    ports.configure(artifacts=Nowhere())
    note("begun")
    await pass_gate(gate)
    ids = [await upnext.create_artifact(f"file {number}", number) for number in range(count)]
    note("made")
    return ids
