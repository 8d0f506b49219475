"""Several jobs at once, in async code: all of them, a few at a time, or the first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Literal, ParamSpec, TypeVar, overload

from upnext_django.declare.bulk import FutureList
from upnext_django.declare.call import TaskCall
from upnext_django.declare.future import Future
from upnext_django.declare.inputs import Inputs, arguments_of, check_concurrency
from upnext_django.declare.waiting import Waiting
from upnext_django.exceptions import UpNextError

__all__ = ["first_completed", "gather", "map_tasks"]

logger = logging.getLogger("upnext.submit")

P = ParamSpec("P")
T = TypeVar("T")


@overload
async def gather(items: Iterable[Future[T]], /, *, return_exceptions: Literal[False] = False) -> list[T]: ...
@overload
async def gather(*futures: Future[T], return_exceptions: Literal[False] = False) -> list[T]: ...
@overload
async def gather(*awaitables: Awaitable[T], return_exceptions: Literal[False] = False) -> list[T]: ...
@overload
async def gather(
    items: Iterable[Awaitable[T]], /, *, return_exceptions: Literal[False] = False
) -> list[T]: ...
@overload
async def gather(items: Iterable[Future[T]], /, *, return_exceptions: bool) -> list[T | BaseException]: ...
@overload
async def gather(*futures: Future[T], return_exceptions: bool) -> list[T | BaseException]: ...
@overload
async def gather(*awaitables: Awaitable[T], return_exceptions: bool) -> list[T | BaseException]: ...
@overload
async def gather(items: Iterable[Awaitable[T]], /, *, return_exceptions: bool) -> list[T | BaseException]: ...


async def gather(*items: Any, return_exceptions: bool = False) -> list[Any]:
    """Wait for all ``items`` and return what they give, in order.

    Items are Futures (which give values), ``task.wait()`` (which gives TaskResults) and any other
    awaitables, or one iterable of them. The first failure is raised and leaves the other jobs running;
    ``return_exceptions`` puts failures into the list instead.
    """
    given = await _flat(items)
    waits = [asyncio.ensure_future(_awaitable(item)) for item in given]
    ours = [wait for wait, item in zip(waits, given, strict=True) if isinstance(item, Future | Waiting)]
    try:
        return await asyncio.gather(*waits, return_exceptions=return_exceptions)
    finally:
        await _abandon(ours)


async def map_tasks(task: TaskCall[P, T], inputs: Inputs, concurrency: int = 10) -> list[T]:
    """Run ``task`` once for each of ``inputs`` and return the values in the order of the inputs.

    An input is a dict of keyword arguments or a tuple of positional ones; any iterable of them is read
    as jobs end, so that at most ``concurrency`` live at once. The first failure is raised: what runs goes
    on, what was not submitted never is.
    """
    check_concurrency(concurrency)
    values: dict[int, T] = {}
    pending = arguments_of(inputs)

    async def work() -> None:
        for index, args, kwargs in pending:
            call: Any = task.wait
            values[index] = (await call(*args, **kwargs)).value

    workers = [asyncio.ensure_future(work()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:
        await _abandon(workers)
    return [values[index] for index in range(len(values))]


@overload
async def first_completed(items: Iterable[Future[T]], /, *, timeout: float | None = None) -> T: ...
@overload
async def first_completed(*futures: Future[T], timeout: float | None = None) -> T: ...
@overload
async def first_completed(*awaitables: Awaitable[T], timeout: float | None = None) -> T: ...
@overload
async def first_completed(items: Iterable[Awaitable[T]], /, *, timeout: float | None = None) -> T: ...


async def first_completed(*items: Any, timeout: float | None = None) -> Any:
    """Return what the first of ``items`` to end gives, or raise its failure; see gather().

    The others are cancelled, as jobs too. After ``timeout`` seconds all are, and the builtin TimeoutError is
    raised. Raises ValueError if there are no items.
    """
    given = await _flat(items)
    if not given:
        raise ValueError("first_completed() got nothing to wait for; give it one awaitable or more.")
    waits = [asyncio.ensure_future(_awaitable(item)) for item in given]
    try:
        done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _abandon([wait for wait, item in zip(waits, given, strict=True) if _job_of(item) is not None])
        raise
    losers = [item for wait, item in zip(waits, given, strict=True) if wait not in done]
    await _abandon(waits)
    await _cancel_jobs(losers)
    for wait in waits:
        if wait in done:
            return wait.result()
    raise TimeoutError(f"None of {len(given)} ended within {timeout} s; all of them were cancelled.")


async def _flat(items: tuple[Any, ...]) -> Sequence[Any]:
    """Return the items; a single one that is an iterable stands for what it yields."""
    if len(items) != 1:
        return items
    only = items[0]
    if isinstance(only, FutureList):
        return await only
    # An asyncio task is an iterable as well, by an old spelling of await.
    if isinstance(only, Iterable) and not isinstance(only, Awaitable):
        return list(only)
    return items


def _awaitable(item: Any) -> Awaitable[Any]:
    return item.value() if isinstance(item, Future) else item


def _job_of(item: Any) -> Future[Any] | Waiting[Any] | None:
    """Return what can cancel the job behind ``item``, also where it was made an asyncio task."""
    if isinstance(item, asyncio.Task):
        item = item.get_coro()
    return item if isinstance(item, Future | Waiting) else None


async def _abandon(waits: Sequence[asyncio.Future[Any]]) -> None:
    """Stop waiting and let each wait take the job's slot back before the caller goes on."""
    left = [wait for wait in waits if not wait.done()]
    for wait in left:
        wait.cancel()
    if left:
        await asyncio.wait(left)


async def _cancel_jobs(items: Sequence[Any]) -> None:
    jobs = [job for item in items if (job := _job_of(item)) is not None]
    outcomes = await asyncio.gather(*(job.cancel() for job in jobs), return_exceptions=True)
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, UpNextError):
            logger.warning("could not cancel %s: %s", job.job_id, outcome, extra={"job_id": job.job_id})
        elif isinstance(outcome, BaseException):
            raise outcome
