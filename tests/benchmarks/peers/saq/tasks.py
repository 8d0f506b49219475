"""SAQ's side: the same jobs, in 32 tasks."""

import os

import stamps
from saq import Queue


async def noop_async(ctx, *, index):
    stamps.mark(index)


def noop_sync(ctx, *, index):
    stamps.mark(index)


async def echo(ctx, *, index):
    return index


queue = Queue.from_url(os.environ["BENCH_REDIS"])
settings = {"queue": queue, "functions": [noop_async, noop_sync, echo], "concurrency": 32}
