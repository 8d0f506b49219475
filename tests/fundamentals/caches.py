"""Tasks whose results are cached. Each run counts up, so that a test sees how many there were."""

import asyncio
from dataclasses import dataclass

import upnext_django as upnext

worker = upnext.Worker("caches", concurrency=4)
runs: dict[str, int] = {}


def count(key: str) -> int:
    runs[key] = runs.get(key, 0) + 1
    return runs[key]


@dataclass
class Report:
    user_id: int
    run: int


@worker.task(cache_key="user:{user_id}", cache_ttl=60)
async def report(user_id: int, note: str = "") -> Report:
    return Report(user_id, count(f"report {user_id}"))


@worker.task(cache_key="{name}", cache_ttl=60)
async def slow(name: str) -> int:
    run = count(name)
    await asyncio.sleep(0.3)
    return run


@worker.task(cache_key="{name}", cache_ttl=0.3)
async def short(name: str) -> int:
    return count(name)


@worker.task(cache_key="{name}")
async def failing(name: str) -> int:
    run = count(name)
    await asyncio.sleep(0.2)
    if run == 1:
        raise ValueError("not yet")
    return run


@worker.task(cache_key="{name}", save_result=False)
async def unsaved(name: str) -> int:
    return count(name)


@worker.task(cache_key="{name}")
def in_thread(name: str) -> int:
    return count(name)


@worker.task(cache_key="{name}", on_start=lambda: count("start"), on_complete=lambda: count("complete"))
async def hooked(name: str) -> list[int]:
    return [runs.get("start", 0), runs.get("complete", 0)]


@worker.task
async def hooks_called() -> list[int]:
    return [runs.get("start", 0), runs.get("complete", 0)]


@worker.task(cache_key="{name}")
async def circle(name: str) -> str:
    try:
        await circle.wait(name)
    except upnext.WorkflowDeadlock as error:
        return str(error)
    return "no circle"


@worker.task(cache_key="{name}")
def circle_in_thread(name: str) -> str:
    try:
        upnext.gather_sync(circle_in_thread.submit(name))
    except upnext.WorkflowDeadlock as error:
        return str(error)
    return "no circle"


@worker.task(cache_key="{name}", max_concurrency=1)
async def limited(name: str) -> int:
    return count(name)
