"""Workers: which tasks belong together, on which queue, and how they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Any, Unpack, cast

from upnext_django.core.missed import MissedRunPolicy
from upnext_django.core.names import check_name, check_secret_name
from upnext_django.declare import ports
from upnext_django.declare.cron import cron_decorator
from upnext_django.declare.declaration import TaskDecorator, TaskKeywords, declare
from upnext_django.declare.event import Event
from upnext_django.declare.registry import registry
from upnext_django.declare.task import TaskHandle
from upnext_django.exceptions import DefinitionError

__all__ = ["SyncExecutor", "Worker", "WorkerOptions", "cron", "task"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_unnamed = count(1)


class SyncExecutor(StrEnum):
    """Where sync tasks run: in threads of the worker, or in processes, which can be killed."""

    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What two declarations of one worker must agree on; see Worker."""

    concurrency: int
    prefetch: int | None
    sync_executor: SyncExecutor
    sync_pool_size: int | None
    redis_url: str | None
    secrets: tuple[str, ...]
    queue: str | None


class Worker:
    """A set of tasks that are served together. Declaring one connects to nothing.

    ``name`` is its name in the admin; None makes one up and serves ``UPNEXT["DEFAULT_QUEUE"]``.
    ``concurrency`` is how many jobs run at once, ``prefetch`` how many more are claimed ahead (None
    tunes itself). ``sync_executor`` says where the sync tasks that it runs run, ``sync_pool_size`` how many
    threads or processes there are for them (None follows ``concurrency``, for processes up to the number
    of cores). ``redis_url`` None is ``UPNEXT["REDIS_URL"]``, else the environment's ``UPNEXT_REDIS_URL``.
    ``secrets`` are names of secrets that are decrypted before any task runs and put into the environment,
    ``"stripe_key"`` as ``STRIPE_KEY``; without one of them it does not start. ``queue`` None is a queue of
    the worker's own name. Raises DefinitionError for a value that makes no sense.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        concurrency: int = 2,
        prefetch: int | None = None,
        sync_executor: SyncExecutor = SyncExecutor.THREAD,
        sync_pool_size: int | None = None,
        redis_url: str | None = None,
        secrets: Sequence[str] = (),
        queue: str | None = None,
    ) -> None:
        self.is_named = name is not None
        self.name = f"worker-{next(_unnamed)}" if name is None else check_name("worker", name)
        self.source = _caller()
        self.options = WorkerOptions(
            concurrency=_number("concurrency", concurrency, 1),
            prefetch=None if prefetch is None else _number("prefetch", prefetch, 0),
            sync_executor=_executor(sync_executor),
            sync_pool_size=None if sync_pool_size is None else _number("sync_pool_size", sync_pool_size, 1),
            redis_url=redis_url,
            secrets=_secrets(secrets),
            queue=None if queue is None else check_name("queue", queue),
        )
        registry.add_worker(self)

    def __repr__(self) -> str:
        return f"<Worker {self.name!r} at {self.source}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Worker):
            return NotImplemented
        return self.name == other.name and self.options == other.options

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def queue(self) -> str:
        """The queue of those of its tasks that name none."""
        if self.options.queue is not None:
            return self.options.queue
        return self.name if self.is_named else ports.get_environment().default_queue

    @property
    def redis_url(self) -> str | None:
        """The URL that was given, None for the setting's."""
        return self.options.redis_url

    @property
    def concurrency(self) -> int:
        """How many jobs run at once."""
        return self.options.concurrency

    @property
    def tasks(self) -> tuple[TaskHandle[Any, Any], ...]:
        """The tasks declared on it, in order."""
        return tuple(task for task in registry.tasks if task.worker == self)

    @property
    def task(self) -> TaskDecorator:
        """The decorator that declares a task: ``@worker.task`` or ``@worker.task(retries=3)``.

        Raises DefinitionError, naming the function and its place, for an option that makes no sense.
        """
        return cast("TaskDecorator", partial(_declare, self))

    def event(self, name: str) -> Event:
        """Return the event ``name``, whose handlers are declared on this worker; see Event."""
        return Event(self, name)

    def cron(
        self,
        expression: str,
        *,
        timezone: str | None = None,
        missed_run_policy: MissedRunPolicy = MissedRunPolicy.LATEST_ONLY,
        max_catch_up_seconds: float | None = None,
        **options: Unpack[TaskKeywords],
    ) -> TaskDecorator:
        """Return the decorator that declares a task which runs by itself: ``@worker.cron("0 9 * * *")``.

        ``expression`` has five fields, six with the second first, or is like ``"@daily"``; ``timezone`` is
        an IANA name, None the project's ``TIME_ZONE``. Each run makes one job however many workers there
        are. ``missed_run_policy`` says what becomes of runs that no worker was there for;
        ``max_catch_up_seconds`` is how old one may be (None: any, with CATCH_UP a week). ``options`` are
        those of a task. Raises DefinitionError for what makes no sense.
        """
        return cron_decorator(
            lambda: self,
            expression,
            timezone=timezone,
            missed_run_policy=missed_run_policy,
            max_catch_up_seconds=max_catch_up_seconds,
            options=dict(options),
        )


def _declare(worker: Worker | None, func: Any = None, /, **options: Any) -> Any:
    if func is None:
        return partial(_declare, worker, **options)
    return declare(worker or registry.default_worker(), func, options)


#: ``@upnext.task``: see Worker.task; declares on a worker that serves ``UPNEXT["DEFAULT_QUEUE"]``.
task = cast("TaskDecorator", partial(_declare, None))


def cron(
    expression: str,
    *,
    timezone: str | None = None,
    missed_run_policy: MissedRunPolicy = MissedRunPolicy.LATEST_ONLY,
    max_catch_up_seconds: float | None = None,
    **options: Unpack[TaskKeywords],
) -> TaskDecorator:
    """See Worker.cron(); declares on the worker of ``@upnext.task``."""
    return cron_decorator(
        registry.default_worker,
        expression,
        timezone=timezone,
        missed_run_policy=missed_run_policy,
        max_catch_up_seconds=max_catch_up_seconds,
        options=dict(options),
    )


def _number(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DefinitionError(f"Worker({name}={value!r}): give a whole number of {least} or more.")
    return value


def _executor(value: Any) -> SyncExecutor:
    try:
        return SyncExecutor(value)
    except ValueError:
        raise DefinitionError(
            f"Worker(sync_executor={value!r}): give SyncExecutor.THREAD or SyncExecutor.PROCESS."
        ) from None


def _secrets(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(name, str) and name for name in value):
        raise DefinitionError(f"Worker(secrets={value!r}): give a list of names, like ['stripe_key'].")
    return tuple(dict.fromkeys(check_secret_name(name) for name in value))


def _caller() -> str:
    """Return "file:line" of the first frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
