"""Tasks that keep or do not keep what they return, and one that was renamed."""

import asyncio
import threading

import upnext_django as upnext

worker = upnext.Worker("results", concurrency=4)


@worker.task(save_result=False)
async def not_saved() -> str:
    return "only for who waits"


@worker.task
async def saved() -> str:
    return "for an hour"


@worker.task(aliases=["tests.fundamentals.results.old_name", "long.gone"])
async def new_name(x: int) -> int:
    return x + 1


@worker.task
async def runs_on() -> None:
    await asyncio.Event().wait()


@worker.task
def looks_now_and_then() -> str:
    ctx = upnext.get_current_context()
    while not ctx.is_cancelled:
        threading.Event().wait(0.01)
    return "saw it"


@worker.task
async def cleans_up() -> None:
    try:
        print("[waits]", flush=True)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("[cleaned up]", flush=True)
        raise


@worker.task
async def parent_of_one() -> None:
    await child_of_parent.wait()


@worker.task
async def child_of_parent() -> None:
    print(f"[child {upnext.get_current_context().job_id}]", flush=True)
    await asyncio.Event().wait()
