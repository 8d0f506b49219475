"""Tasks that fan out, async and sync."""

import asyncio
import threading
from typing import Any

import upnext_django as upnext

worker = upnext.Worker("gathering", concurrency=8)


@worker.task
async def double(x: int) -> int:
    return 2 * x


@worker.task
async def fails(x: int) -> int:
    raise ValueError(f"not {x}")


@worker.task
async def never_ends() -> None:
    await asyncio.Event().wait()


@worker.task
def counts(number: int) -> int:
    """Return how many of these jobs ran at once while this one ran."""
    global running
    with lock:
        running += 1
    threading.Event().wait(0.05)
    with lock:
        now = running
        running -= 1
    return now


lock = threading.Lock()
running = 0


@worker.task
async def gathers() -> dict[str, Any]:
    futures = [await double.submit(x) for x in range(3)]
    results = await upnext.gather(*(double.wait(x) for x in range(3)))
    mixed = await upnext.gather(double.wait(1), fails.wait(2), return_exceptions=True)
    return {
        "futures": await upnext.gather(*futures),
        "one iterable": await upnext.gather(futures),
        "results": [result.value for result in results],
        "mixed": [type(one).__name__ for one in mixed],
    }


@worker.task
def gathers_in_sync_code() -> dict[str, Any]:
    futures = [double.submit_sync(x) for x in range(3)]
    mixed = upnext.gather_sync(double.submit_sync(1), fails.submit_sync(2), return_exceptions=True)
    first = upnext.first_completed_sync(never_ends.submit_sync(), double.submit_sync(4), timeout=20)
    return {
        "futures": upnext.gather_sync(*futures),
        "one iterable": upnext.gather_sync(future for future in futures),
        "mixed": [str(mixed[0]), type(mixed[1]).__name__],
        "map": upnext.map_tasks_sync(double, [{"x": x} for x in range(5)], concurrency=2),
        "many": upnext.gather_sync(upnext.submit_many(double, [{"x": x} for x in range(5)])),
        "first": first,
    }
