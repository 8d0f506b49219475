"""The event loop of a worker process: which one, run to its end, closed with nothing left in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

__all__ = ["CANCEL_GRACE_S", "close", "loop_factory", "run_on"]

logger = logging.getLogger("upnext.worker")

#: How long what was cancelled may take to end.
CANCEL_GRACE_S = 2.0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's factory where it is installed (the ``speed`` extra), else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def run_on(loop: asyncio.AbstractEventLoop, main: asyncio.Task[None]) -> None:
    """Run the loop until ``main`` is done, or user code made asyncio break it off."""
    try:
        loop.run_until_complete(main)
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio sets it on the inner task that raised it, where the job sees it, and stops the loop as well.
        # Ctrl-C does not come this way: it has a handler.
        if main.done():
            raise
        logger.error("a task raised %r in an asyncio task of its own; the worker goes on", error)


def close(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop. What does not end by its cancellation is left behind: its job was handed back."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=CANCEL_GRACE_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
