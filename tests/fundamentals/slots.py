"""A tree of three levels in sync code: every parent waits in its thread."""

from typing import Any

import upnext_django as upnext
from tests.fundamentals import seed_workflows  # noqa: F401 - its flow is served too

worker = upnext.Worker("my-worker")


@worker.task
def sync_step(segment: int, step: int) -> dict[str, int]:
    return {"segment": segment, "step": step}


@worker.task
def sync_segment(segment: int, steps: int = 3) -> dict[str, Any]:
    done = [sync_step.wait_sync(segment=segment, step=i).value for i in range(1, steps + 1)]
    return {"segment": segment, "steps": done}


@worker.task
def sync_flow(segments: int = 3) -> dict[str, Any]:
    return {"segments": [sync_segment.wait_sync(segment=i).value for i in range(1, segments + 1)]}


@worker.task
async def deep(levels: int) -> int:
    return 0 if levels == 0 else 1 + (await deep.wait(levels - 1)).value


@worker.task
async def wide(depth: int, width: int) -> int:
    if depth == 0:
        return 1
    return sum(await upnext.gather(await upnext.submit_many(wide, [(depth - 1, width)] * width)))
