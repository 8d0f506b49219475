"""``@shared_task``: from a function and Celery's options to a task."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, overload

from upnext_django.contrib.celery import workflow
from upnext_django.contrib.celery.exceptions import Retry, SoftTimeLimitExceeded
from upnext_django.contrib.celery.options import CeleryOptions, read_options
from upnext_django.contrib.celery.task import Task
from upnext_django.core.names import identity_of
from upnext_django.core.signature import parameters_of
from upnext_django.declare.current import current_job
from upnext_django.declare.declaration import declare
from upnext_django.declare.registry import registry
from upnext_django.exceptions import DefinitionError

__all__ = ["shared_task"]


@overload
def shared_task(func: Callable[..., Any], /) -> Task: ...
@overload
def shared_task(**options: Any) -> Callable[[Callable[..., Any]], Task]: ...


def shared_task(*args: Any, **options: Any) -> Any:
    """Declare a task as Celery's decorator does: ``@shared_task``, or ``@shared_task(bind=True)``.

    It is served by the default Worker, on ``queue`` (``UPNEXT["DEFAULT_QUEUE"]`` unless set), and gives a
    Task. Raises DefinitionError for an option that has no equal here; docs/how-to/from-celery has them all.
    """
    if not args:
        return functools.partial(_declare, options)
    if len(args) != 1 or not callable(args[0]) or options:
        raise DefinitionError(f"shared_task{args!r}: use @shared_task, or @shared_task(option=value).")
    return _declare({}, args[0])


def _declare(given: dict[str, Any], func: Callable[..., Any]) -> Task:
    source = identity_of(func)
    options, rest = read_options(given, source=source)
    body = _Body(func, options)
    parameters = list(parameters_of(func).values())
    if options.bind:
        if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
            raise DefinitionError(f"{source}: bind=True passes the task as first argument; add one, self.")
        parameters = parameters if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL else parameters[1:]
    if parameters and parameters[0].name == "ctx":
        raise DefinitionError(
            f"{source}: a first parameter named ctx gets the context here and no argument; rename it."
        )
    run: Any = body.for_loop() if inspect.iscoroutinefunction(func) else body.for_thread()
    run.__signature__ = inspect.Signature(parameters)
    task = declare(registry.default_worker(), run, rest, handles=(Task, Task), identity=options.name)
    assert isinstance(task, Task)
    # Whoever runs shared tasks runs the chains that are made of them.
    workflow.declared()
    task.adopt(options)
    body.task = task
    return task


class _Body:
    """What runs in place of the function: it gets ``self``, its soft limit and its retries."""

    def __init__(self, func: Callable[..., Any], options: CeleryOptions) -> None:
        self.task: Task | None = None
        self._func = func
        self._options = options

    def for_thread(self) -> Callable[..., Any]:
        """Return the body of a ``def``."""

        @functools.wraps(self._func)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._retried(), self._limited():
                return self._func(*self._bound(args), **kwargs)

        return run

    def for_loop(self) -> Callable[..., Awaitable[Any]]:
        """Return the body of an ``async def``."""
        if self._options.soft_time_limit is not None:
            raise DefinitionError(
                f"{identity_of(self._func)}: soft_time_limit interrupts threads, and an async task "
                "has none; use asyncio.timeout() inside it, or time_limit."
            )

        @functools.wraps(self._func)
        async def run(*args: Any, **kwargs: Any) -> Any:
            with self._retried():
                return await self._func(*self._bound(args), **kwargs)

        return run

    def _bound(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.task, *args) if self._options.bind else args

    @contextmanager
    def _retried(self) -> Iterator[None]:
        """Turn an exception that ``autoretry_for`` names into a retry."""
        options = self._options
        try:
            yield
        except (Retry, asyncio.CancelledError):
            raise
        except options.dont_autoretry_for:
            raise
        except options.autoretry_for as error:
            assert self.task is not None
            again: dict[str, Any] = dict(options.retry_kwargs)
            delay = options.delay_of_autoretry(self.task.request.retries)
            if delay is not None:
                again["countdown"] = delay
            self.task.retry(exc=error, **again)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Have SoftTimeLimitExceeded raised in the block when the soft limit is over."""
        job = current_job.get()
        limit = self._options.soft_time_limit
        if job is None or limit is None:
            yield
            return
        try:
            job.set_alarm(limit, SoftTimeLimitExceeded)
            yield
        finally:
            job.stop_alarm()
