"""Submits to SAQ."""

import submitting
from tasks import queue


async def noop_async(index):
    await queue.enqueue("noop_async", index=index)


async def noop_sync(index):
    await queue.enqueue("noop_sync", index=index)


async def echo(index):
    # Its default asks every half second.
    return await queue.apply("echo", index=index, poll_interval=0.001)


submitting.main(submit={"async": noop_async, "sync": noop_sync}, echo=echo)
