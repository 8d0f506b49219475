"""Our side: the same jobs as the peers', with leases, fencing, results and events."""

import os

import stamps
from shop.models import place

import upnext_django as upnext

worker = upnext.Worker("bench", concurrency=100, sync_pool_size=4)
LOOPS = int(os.environ.get("BENCH_LOOPS", "0"))


@worker.task
async def noop_async(index: int) -> None:
    stamps.mark(index)


@worker.task
def noop_sync(index: int) -> None:
    stamps.mark(index)


@worker.task
def orm(index: int) -> None:
    place(index)
    stamps.mark(index)


@worker.task
def busy(index: int) -> None:
    total = 0
    for number in range(LOOPS):
        total += number
    stamps.mark(index)


@worker.task
async def echo(index: int) -> int:
    return index
