"""The submitting side of a contestant: a script that fills, enqueues or waits, and prints JSON.

Each contestant's ``client.py`` hands its own calls to ``main``; what is timed is the same for all.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeVar

__all__ = ["main"]

WARM_UP = 50
T = TypeVar("T")


def main(
    *,
    submit: Mapping[str, Callable[[int], Any]],
    echo: Callable[[int], Any],
    many: Mapping[str, Callable[[range], Any]] | None = None,
) -> None:
    """Carry out ``sys.argv``: ``fill TASK N``, ``enqueue TASK N``, ``bulk TASK N`` or ``echo N``.

    ``submit`` has a call per task that queues job ``i``; ``many`` one that queues a range of them, for
    who has a bulk call (``fill`` takes it then); ``echo(i)`` queues a job that returns its argument
    and waits for it. Async calls run one after the other in one loop. Prints ``{"seconds": s}`` of
    all calls after a warm-up, or ``{"ms": [..]}`` of each.
    """
    command, *rest = sys.argv[1:]
    bulk = many or {}
    match command:
        case "echo":
            show({"ms": timed_each(echo, int(rest[0]))})
        case "enqueue":
            show({"seconds": timed(submit[rest[0]], range(int(rest[1])), warm_up=WARM_UP)})
        case "bulk" | "fill" if rest[0] in bulk:
            show({"seconds": timed(bulk[rest[0]], [range(int(rest[1]))])})
        case "fill":
            show({"seconds": timed(submit[rest[0]], range(int(rest[1])))})
        case _:
            sys.exit(f"{command!r} is not known; give fill, enqueue, bulk or echo.")


def show(outcome: dict[str, Any]) -> None:
    """Write the one line that the driver reads."""
    sys.stdout.write(json.dumps(outcome) + "\n")


def timed(call: Callable[[Any], Any], arguments: Sequence[Any], *, warm_up: int = 0) -> float:
    """Give the seconds that ``call`` takes over all ``arguments``, after ``warm_up`` calls with the first."""
    if inspect.iscoroutinefunction(call):
        return in_loop(timed_async(call, arguments, warm_up))
    for _ in range(warm_up):
        call(arguments[0])
    begin = perf_counter()
    for argument in arguments:
        call(argument)
    return perf_counter() - begin


async def timed_async(call: Callable[[Any], Any], arguments: Sequence[Any], warm_up: int) -> float:
    """See timed()."""
    for _ in range(warm_up):
        await call(arguments[0])
    begin = perf_counter()
    for argument in arguments:
        await call(argument)
    return perf_counter() - begin


def timed_each(call: Callable[[int], Any], count: int) -> list[float]:
    """Give the milliseconds of each of ``count`` waits; the first ones warm up and are left out."""
    if inspect.iscoroutinefunction(call):
        return in_loop(timed_each_async(call, count))
    taken = []
    for index in range(count + WARM_UP):
        begin = perf_counter()
        answer = call(index)
        taken.append((perf_counter() - begin) * 1000)
        check(answer, index)
    return taken[WARM_UP:]


async def timed_each_async(call: Callable[[int], Any], count: int) -> list[float]:
    """See timed_each()."""
    taken = []
    for index in range(count + WARM_UP):
        begin = perf_counter()
        answer = await call(index)
        taken.append((perf_counter() - begin) * 1000)
        check(answer, index)
    return taken[WARM_UP:]


def check(answer: object, index: int) -> None:
    """Stop with what went wrong if a job's result is not its argument."""
    if answer != index:
        sys.exit(f"Job {index} returned {answer!r}; every echo returns its argument.")


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` under uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
