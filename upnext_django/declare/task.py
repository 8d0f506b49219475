"""A declared task: what the decorators put in place of the function."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.given import key_of_given_id
from upnext_django.declare.call import TaskCall
from upnext_django.declare.context import Context, get_current_context
from upnext_django.declare.future import Future
from upnext_django.declare.options import NO_OVERRIDES, seconds
from upnext_django.declare.registry import registry

if TYPE_CHECKING:
    from upnext_django.declare.worker import Worker

__all__ = ["AsyncTaskHandle", "SyncTaskHandle", "TaskHandle", "find_task"]

P = ParamSpec("P")
T = TypeVar("T")


class TaskHandle(TaskCall[P, T]):
    """A function that is a task. Calling it runs it in place, without a queue.

    ``name`` is the identity (``"shop.tasks.send"``), ``definition`` its checked options, ``worker`` the
    Worker it was declared on.
    """

    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, definition: TaskDefinition, worker: Worker) -> None:
        super().__init__(definition, worker.redis_url, NO_OVERRIDES)
        self.worker = worker
        functools.update_wrapper(self, definition.func)

    @property
    def name(self) -> str:
        """The identity that jobs carry, ``"{module}.{qualname}"``."""
        return self.definition.function

    @property
    def function_name(self) -> str:
        """The display name."""
        return self.definition.function_name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the function here and now. A ``ctx`` parameter gets the running job's context."""
        definition = self.definition
        if definition.signature.takes_context:
            return definition.func(self._context(), *args, **kwargs)
        return definition.func(*args, **kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a job: Celery's word for submit()."""
        return self.submit(*args, **kwargs)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        task_id: str | None = None,
    ) -> Future[T]:
        """Submit a job as Celery's call of that name does.

        ``expires`` counts from now, as a number of seconds, or is an aware datetime; it must lie after
        ``countdown`` or ``eta``. ``priority`` is -100..100, higher first. ``task_id`` is any text of up
        to 200 characters that get_job() and cancel() then take too; the job's own id is
        ``future.job_id``. A second call with the same one leads to the first job while that lives,
        and makes a new job after it.
        """
        key = None if task_id is None else key_of_given_id(task_id)
        call = self.options(delay=countdown, at=eta, queue=queue, priority=priority, key=key)
        if expires is not None:
            call = call.options(expires=_life(expires, countdown, eta))
        submit: Callable[..., Future[T]] = call.submit
        return submit(*args, **(kwargs or {}))

    async def invalidate_cache(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Drop the cached value of a call and return whether there was one; safe to call again.

        The next job of that ``cache_key`` runs. One that runs now may have read what has changed: its value
        goes to its own waiters only. Raises TypeError for arguments that the function does not take,
        ArgumentError where they do not fill the template, ValueError for a task without ``cache_key``, and
        RedisUnavailable.
        """
        queue, functions, digest = self._cached(args, kwargs)
        return await self.broker().invalidate(queue, functions, digest)

    def invalidate_cache_sync(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """See invalidate_cache(). It does not wait for a transaction: call it on commit."""
        return self.broker().invalidate_sync(*self._cached(args, kwargs))

    def _cached(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, list[str], str]:
        """Return where the value of a call is kept: the queue, the names of this function, the digest."""
        definition = self.definition
        if definition.cache_key is None:
            raise ValueError(
                f"{self.name} has no cache_key, so nothing of it is cached; give it one, or drop this call."
            )
        definition.signature.bind(args, kwargs)
        # Jobs that were submitted under an earlier name have their cache there.
        functions = [definition.function, *definition.aliases]
        return definition.queue, functions, definition.cache_digest(args, kwargs)

    def __reduce__(self) -> tuple[Callable[[str, str], Any], tuple[str, str]]:
        return find_task, (self.definition.func.__module__, self.name)

    def _context(self) -> Context:
        try:
            return get_current_context()
        except RuntimeError as error:
            raise RuntimeError(
                f"{self.name}() takes a context, and no job runs here to give it one. "
                "Call task.__wrapped__(ctx, ...) with a mapping of your own."
            ) from error


class AsyncTaskHandle(TaskHandle[P, T]):
    """The handle of an ``async def``."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]: ...


class SyncTaskHandle(TaskHandle[P, T]):
    """The handle of a ``def``."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...


def find_task(module: str, name: str) -> TaskHandle[Any, Any]:
    """Return the task of identity ``name``, importing ``module`` if need be: a pickled handle's way back.

    Raises UnknownTask.
    """
    if registry.find(name) is None:
        importlib.import_module(module)
    return registry.task(name)


def _life(expires: float | datetime, countdown: float | None, eta: datetime | None) -> float:
    """Return how many seconds after it may run a job expires; Celery counts from the call."""
    now = datetime.now(UTC)
    starts = eta or now + timedelta(seconds=countdown or 0)
    if not isinstance(expires, datetime):
        ends = now + timedelta(seconds=seconds("expires", expires, above=True))
    elif expires.tzinfo is None:
        raise ValueError(
            f"expires={expires.isoformat()} has no timezone, so the moment it means is unknown; "
            "pass an aware datetime, or seconds."
        )
    else:
        ends = expires
    if ends <= starts:
        raise ValueError(
            f"expires={expires!r} is over before the job may start ({starts.isoformat()}); "
            "give a later one, or leave it out."
        )
    return (ends - max(starts, now)).total_seconds()
