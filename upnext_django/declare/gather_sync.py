"""Several jobs at once, in sync code; see gather.py."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Literal, ParamSpec, TypeVar, overload

from upnext_django.declare.arrivals import Arrivals
from upnext_django.declare.blocking import refuse_in_loop, slot_released_sync
from upnext_django.declare.call import TaskCall
from upnext_django.declare.future import Future
from upnext_django.declare.inputs import Inputs, arguments_of, check_concurrency
from upnext_django.declare.waiting import refuse_deferred
from upnext_django.exceptions import UpNextError

__all__ = ["first_completed_sync", "gather_sync", "map_tasks_sync"]

logger = logging.getLogger("upnext.submit")

P = ParamSpec("P")
T = TypeVar("T")


@overload
def gather_sync(*futures: Future[T], return_exceptions: Literal[False] = False) -> list[T]: ...
@overload
def gather_sync(futures: Iterable[Future[T]], /, *, return_exceptions: Literal[False] = False) -> list[T]: ...
@overload
def gather_sync(*futures: Future[T], return_exceptions: bool) -> list[T | BaseException]: ...
@overload
def gather_sync(futures: Iterable[Future[T]], /, *, return_exceptions: bool) -> list[T | BaseException]: ...


def gather_sync(*futures: Any, return_exceptions: bool = False) -> list[Any]:
    """Wait for all ``futures`` and return their values, in order; takes one iterable of them too.

    The first failure is raised and leaves the other jobs running; ``return_exceptions`` puts failures into
    the list instead. Raises RuntimeError where an event loop runs.
    """
    refuse_in_loop("gather_sync()", "await gather()")
    given = _flat(futures)
    outcomes: dict[int, Any] = {}
    with slot_released_sync(), Arrivals() as arrivals:
        for index, future in enumerate(given):
            arrivals.add(index, future)
        while len(outcomes) < len(given):
            index = arrivals.next()
            try:
                outcomes[index] = arrivals.result(index).value
            except UpNextError as error:
                if not return_exceptions:
                    raise
                outcomes[index] = error
    return [outcomes[index] for index in range(len(given))]


def map_tasks_sync(task: TaskCall[P, T], inputs: Inputs, concurrency: int = 10) -> list[T]:
    """See map_tasks(). Raises RuntimeError where an event loop runs, WaitInTransaction before a commit."""
    refuse_in_loop("map_tasks_sync()", "await map_tasks()")
    check_concurrency(concurrency)
    refuse_deferred(task.definition.function, task.overrides)
    values: dict[int, T] = {}
    submit: Any = task.submit_sync
    with slot_released_sync(), Arrivals() as arrivals:
        for index, args, kwargs in arguments_of(inputs):
            if len(arrivals) == concurrency:
                _take(arrivals, values)
            arrivals.add(index, submit(*args, **kwargs))
        while arrivals:
            _take(arrivals, values)
    return [values[index] for index in range(len(values))]


@overload
def first_completed_sync(*futures: Future[T], timeout: float | None = None) -> T: ...
@overload
def first_completed_sync(futures: Iterable[Future[T]], /, *, timeout: float | None = None) -> T: ...


def first_completed_sync(*futures: Any, timeout: float | None = None) -> Any:
    """See first_completed(). Raises RuntimeError where an event loop runs."""
    refuse_in_loop("first_completed_sync()", "await first_completed()")
    given = _flat(futures)
    if not given:
        raise ValueError("first_completed_sync() got nothing to wait for; give it one Future or more.")
    with slot_released_sync(), Arrivals() as arrivals:
        for index, future in enumerate(given):
            arrivals.add(index, future)
        try:
            first = arrivals.next(timeout)
        except TimeoutError:
            _cancel_jobs(given)
            raise TimeoutError(
                f"None of {len(given)} ended within {timeout} s; all of them were cancelled."
            ) from None
        _cancel_jobs(given[:first] + given[first + 1 :])
        return arrivals.result(first).value


def _cancel_jobs(futures: list[Future[Any]]) -> None:
    for future in futures:
        try:
            future.cancel_sync()
        except UpNextError as error:
            logger.warning("could not cancel %s: %s", future.job_id, error, extra={"job_id": future.job_id})


def _take(arrivals: Arrivals, values: dict[int, Any]) -> None:
    index = arrivals.next()
    values[index] = arrivals.result(index).value


def _flat(items: tuple[Any, ...]) -> list[Any]:
    """Return the Futures; a single one that is none stands for what it yields."""
    if len(items) == 1 and not isinstance(items[0], Future):
        return list(items[0])
    return list(items)
