"""Tasks to submit with options of the call, and with the words of other systems.

A gate is a file: who holds waits until it is there.
"""

from pathlib import Path

import upnext_django as upnext
from tests.waiting import await_until

worker = upnext.Worker("calls")
slow_worker = upnext.Worker("slow-lane", concurrency=1)


@worker.task
async def add(a: int, b: int = 1) -> int:
    return a + b


@worker.task(retries=4, timeout=60)
def describe() -> dict[str, object]:
    ctx = upnext.get_current_context()
    return {"max_attempts": ctx.max_attempts, "meta": dict(ctx.meta), "job": ctx.job_id}


@worker.task
async def fails() -> None:
    raise ValueError("text")


@slow_worker.task
async def note(number: int) -> int:
    print(f"[note {number}]", flush=True)
    return number


@slow_worker.task
async def hold(name: str, gate: str) -> None:
    print(f"[held {name}]", flush=True)
    await await_until(lambda: Path(gate).exists(), "the gate opens", timeout=60)
