"""``TaskDef``: a task that is enqueued in aioq's words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upnext_django.contrib.aioq.models import Job
from upnext_django.core.names import identity_of
from upnext_django.core.signature import parameters_of
from upnext_django.declare.call import TaskCall
from upnext_django.declare.task import TaskHandle
from upnext_django.exceptions import DefinitionError, UpNextError

if TYPE_CHECKING:
    from upnext_django.contrib.aioq.app import Aarq
    from upnext_django.contrib.aioq.backends import RedisBroker

__all__ = ["TaskDef", "with_context"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class TaskDef(TaskHandle[..., Any]):
    """The handle of a task of an Aarq. ``await task(ctx, ...)`` runs the function with a ctx of yours."""

    app: Aarq
    fn: Callable[..., Any]

    @property
    def queue(self) -> str:
        """Where its jobs wait."""
        return self.definition.queue

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return self.definition.retries

    @property
    def retry_delay(self) -> float:
        """Seconds before a retry."""
        return self.definition.retry_delay

    @property
    def save_result(self) -> bool:
        """Whether the return value is kept."""
        return self.definition.save_result

    @property
    def result_ttl(self) -> float:
        """Seconds that Redis keeps it."""
        return self.definition.result_ttl

    def __call__(self, ctx: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Run the function here and now, without a queue."""
        return self.fn(ctx, *args, **kwargs)

    async def enqueue(  # type: ignore[override]
        self,
        *args: Any,
        defer_by: float | None = None,
        defer_until: datetime | None = None,
        priority: int | None = None,
        depends_on: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Job:
        """Submit a job and return it.

        It runs ``defer_by`` seconds from now at the earliest, or at ``defer_until`` (a datetime without
        timezone is UTC). Raises ValueError for both, UpNextError for ``depends_on``.
        """
        call = self._call(defer_by, defer_until, priority, depends_on)
        return Job.of(await call.enqueue(*args, **kwargs))

    async def enqueue_many(
        self,
        items: Iterable[Mapping[str, Any] | Sequence[Any]],
        *,
        defer_by: float | None = None,
        defer_until: datetime | None = None,
        priority: int | None = None,
        depends_on: Iterable[str] | None = None,
    ) -> list[Job]:
        """Submit a job for each item, a dict of keywords or a tuple of arguments in order; see enqueue()."""
        call = self._call(defer_by, defer_until, priority, depends_on)
        return [
            Job.of(await (call.enqueue(**item) if isinstance(item, Mapping) else call.enqueue(*item)))
            for item in items
        ]

    def _call(
        self,
        defer_by: float | None,
        defer_until: datetime | None,
        priority: int | None,
        depends_on: Iterable[str] | None,
    ) -> TaskCall[..., Any]:
        if depends_on is not None:
            raise UpNextError(
                f"{self.name}.enqueue(depends_on=...): jobs wait for no other jobs here. Submit the "
                "first ones from a task that awaits them and then submits this one (docs: how-to/workflows)."
            )
        if defer_by is not None and defer_until is not None:
            raise ValueError(
                f"defer_by={defer_by!r} and defer_until={defer_until!r} name two moments; give one of them."
            )
        if defer_until is not None and defer_until.tzinfo is None:
            defer_until = defer_until.replace(tzinfo=UTC)
        return self.options(delay=defer_by, at=defer_until, priority=priority)


def with_context(fn: Callable[..., Any], broker: RedisBroker) -> Callable[..., Any]:
    """Return ``fn`` for the worker: its first argument, whatever its name, becomes aioq's dict.

    Raises DefinitionError if it takes none.
    """
    parameters = list(parameters_of(fn).values())
    if not parameters or parameters[0].kind not in _POSITIONAL:
        raise DefinitionError(
            f"{identity_of(fn)}: a task of aioq gets the context as its first argument; add one, ctx."
        )

    def told(ctx: Mapping[str, Any]) -> dict[str, Any]:
        return {"worker_id": ctx["worker_id"], "job_id": ctx["job_id"], "broker": broker}

    run: Any
    if inspect.iscoroutinefunction(fn):

        @functools.wraps(fn)
        async def run(ctx: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
            return await fn(told(ctx), *args, **kwargs)

    else:

        @functools.wraps(fn)
        def run(ctx: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
            return fn(told(ctx), *args, **kwargs)

    # By this name a task's context is known.
    first = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_ONLY)
    run.__signature__ = inspect.Signature([first, *parameters[1:]])
    return run  # type: ignore[no-any-return]
