"""Many small functions, so that each client of the stream follows another part of what happens."""

from __future__ import annotations

import upnext_django as upnext

__all__ = ["STEPS", "worker"]

worker = upnext.Worker("stream-load", concurrency=100)


def _declare(number: int) -> upnext.TaskHandle[[int], int]:
    async def step(value: int) -> int:
        return value

    step.__name__ = step.__qualname__ = f"step_{number:02}"
    return worker.task(step)


STEPS = [_declare(number) for number in range(20)]
