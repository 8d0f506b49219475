"""What the generated client has done: a tree, a payment that may fail, a file, and a job that goes on."""

from __future__ import annotations

import asyncio

import upnext_django as upnext
from upnext_django import ArtifactType

__all__ = ["charge", "export", "piece", "wait_for_ever", "whole", "worker"]

worker = upnext.Worker("client", concurrency=4)


@worker.task
async def piece(number: int) -> int:
    return number * number


@worker.task(api=True)
async def whole(pieces: int) -> int:
    return sum(await upnext.map_tasks(piece, [(number,) for number in range(pieces)]))


@worker.task(api=True)
async def charge(amount: int) -> str:
    if amount <= 0:
        raise ValueError(f"an amount of {amount}")
    return f"{amount} charged"


@worker.task(api=True)
async def export() -> None:
    await upnext.get_current_context().create_artifact("orders.json", {"orders": [7]}, ArtifactType.JSON)


@worker.task(api=True)
async def wait_for_ever() -> None:
    await asyncio.get_running_loop().create_future()
