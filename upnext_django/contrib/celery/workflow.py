"""The task behind chains and chords: it submits their calls as its children and waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from upnext_django.declare.declaration import declare
from upnext_django.declare.future import Future
from upnext_django.declare.registry import registry
from upnext_django.declare.task import TaskHandle

__all__ = ["declared", "run_workflow"]

_OPTIONS: dict[str, Any] = {"name": "workflow", "timeout": None, "result_ttl": 86_400}


async def run_workflow(plan: dict[str, Any], given: list[Any]) -> Any:
    """Run the calls of a Step.plan() and return its value; ``given`` goes to its first call.

    A worker that dies on the way loses nothing: run again, this finds the children it had.
    """
    match plan:
        case {"chain": [*steps]}:
            for step in steps:
                given = [await run_workflow(step, given)]
            return given[0] if given else None
        case {"group": [*steps]}:
            return await _all(steps, given)
    return await _one(plan, given)


def declared() -> TaskHandle[..., Any]:
    """Return the task of run_workflow(), declared on the default Worker when it is first asked for."""
    known = registry.find(f"{__name__}.{run_workflow.__name__}")
    return known or declare(registry.default_worker(), run_workflow, dict(_OPTIONS))


async def _all(steps: Sequence[dict[str, Any]], given: list[Any]) -> list[Any]:
    # All of them are waited for, also when one fails: their jobs run to their end in any case.
    ends = await asyncio.gather(*(run_workflow(step, given) for step in steps), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return list(ends)


async def _one(plan: dict[str, Any], given: list[Any]) -> Any:
    args = plan["args"] if plan["immutable"] else [*given, *plan["args"]]
    # The call that gives a Future, not the one of shared tasks.
    future: Future[Any] = TaskHandle.apply_async(
        registry.task(plan["task"]), args, plan["kwargs"], **plan["options"]
    )
    return await future.value()
