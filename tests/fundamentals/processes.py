"""Tasks that keep a core busy, in processes of their own."""

import os
from typing import Any

import upnext_django as upnext

worker = upnext.Worker("crunching", sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=2)


@worker.task
def primes_below(limit: int) -> int:
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


@worker.task
def process() -> dict[str, int]:
    return {"process": os.getpid(), "parent": os.getppid()}


@worker.task
async def in_the_worker() -> int:
    return os.getpid()


@worker.task(timeout=0.5)
def too_long() -> None:
    while True:
        pass


@worker.task
def falls_at_first(order: int) -> str:
    ctx = upnext.get_current_context()
    if ctx.last_checkpoint is None:
        ctx.checkpoint("been here")
        ctx.set_progress(50)
        os._exit(1)
    return f"{order}, {ctx.last_checkpoint}"


@worker.task
def sums(limits: list[tuple[int]]) -> int:
    return sum(upnext.map_tasks_sync(primes_below, limits))


@worker.task
def gathers() -> list[Any]:
    ctx = upnext.get_current_context()
    child = whose_child.submit_sync()
    return [ctx.job_id, upnext.gather_sync(child)[0]]


@worker.task
def whose_child() -> Any:
    return upnext.get_current_context().parent_id
