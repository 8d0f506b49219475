"""The hooks of a task: on_start, on_success, on_failure, on_retry, on_complete.

They run beside the outcome, never change it, and what they raise is logged.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from upnext_django.core.definition import TaskDefinition, is_coroutine_function
from upnext_django.core.lifecycle import JobStatus
from upnext_django.declare.context import get_current_context
from upnext_django.runtime.crew import Interrupted
from upnext_django.runtime.scope import AttemptScope

__all__ = ["after", "is_being_cancelled", "run", "run_sync"]

logger = logging.getLogger("upnext.hooks")

_FAILED = "hook %s failed; the job's outcome stands"
#: A thread that waits for an async hook can be interrupted this often, in seconds.
_LOOK_S = 0.1


def after(definition: TaskDefinition, status: JobStatus) -> Iterator[Callable[..., Any]]:
    """Yield the hooks for an attempt that ended so, in the order in which they run."""
    match status:
        case JobStatus.COMPLETE:
            named = (definition.on_success, definition.on_complete)
        case JobStatus.FAILED:
            named = (definition.on_failure, definition.on_complete)
        case JobStatus.RETRYING:
            named = (definition.on_retry, None)
        case _:
            named = (None, definition.on_complete)
    yield from (hook for hook in named if hook is not None)


async def run(hook: Callable[..., Any], scope: AttemptScope) -> None:
    """Call one hook of an async attempt. A sync hook runs in a thread: it may block, and use the ORM.

    Raises CancelledError if the attempt is being ended, and for no other reason.
    """
    try:
        if is_coroutine_function(hook):
            await hook(*_arguments(hook))
        else:
            result = await scope.call(hook, *_arguments(hook))
            if inspect.isawaitable(result):
                await result
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        # Something that the hook waited for may have been cancelled, and not the attempt.
        if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
            raise
        logger.exception(_FAILED, hook)


def run_sync(hook: Callable[..., Any], loop: asyncio.AbstractEventLoop, scope: AttemptScope) -> None:
    """Call one hook of a sync attempt in its thread; an async hook runs in the worker's loop.

    Raises Interrupted past the deadline, and nothing else: it would end the thread and not the attempt.
    """
    try:
        result = hook(*_arguments(hook))
        if inspect.isawaitable(result):
            _wait_for(result, loop, scope)
    except Interrupted:
        raise
    except BaseException:
        logger.exception(_FAILED, hook)


def _wait_for(waiting: Awaitable[Any], loop: asyncio.AbstractEventLoop, scope: AttemptScope) -> None:
    future = asyncio.run_coroutine_threadsafe(_scoped(waiting, scope), loop)
    try:
        # A thread that waits without an end executes nothing, and so cannot be interrupted.
        while not future.done():
            try:
                future.result(_LOOK_S)
            except TimeoutError:
                continue
        future.result()
    finally:
        future.cancel()


async def _scoped(waiting: Awaitable[Any], scope: AttemptScope) -> None:
    token = scope.enter_async()
    try:
        await waiting
    finally:
        if scope.has_used(token):
            await scope.exit_async(token)


def is_being_cancelled() -> bool:
    """Return whether somebody cancels the task that runs here; a CancelledError may have other reasons."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _arguments(hook: Callable[..., Any]) -> tuple[Any, ...]:
    """A hook that takes an argument gets the Context."""
    try:
        parameters = inspect.signature(hook).parameters.values()
    except (TypeError, ValueError):
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes_one = any(p.kind in positional and (p.default is p.empty or p.name == "ctx") for p in parameters)
    return (get_current_context(),) if takes_one else ()
