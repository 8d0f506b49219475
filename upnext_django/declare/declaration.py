"""From a function and its options to a task handle; the types that editors see."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, overload

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.missed import CronPlan
from upnext_django.core.names import identity_of, importable_name
from upnext_django.declare import ports
from upnext_django.declare.context import Context
from upnext_django.declare.registry import registry
from upnext_django.declare.task import AsyncTaskHandle, SyncTaskHandle, TaskHandle

if TYPE_CHECKING:
    from upnext_django.declare.worker import Worker

__all__ = ["CtxFunction", "TaskDecorator", "TaskKeywords", "declare"]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TaskKeywords(TypedDict, total=False):
    """The options of ``@worker.task``; docs/reference says what each means."""

    retries: int
    retry_delay: float
    retry_backoff: float
    retry_jitter: float
    retry_max_delay: float
    retry_on: type[BaseException] | Iterable[type[BaseException]] | None
    no_retry_on: type[BaseException] | Iterable[type[BaseException]]
    timeout: float | None
    name: str | None
    aliases: Iterable[str]
    rate_limit: str | None
    max_concurrency: int | None
    rate_limit_key: str | None
    concurrency_key: str | None
    cache_key: str | None
    cache_ttl: float | None
    on_start: Callable[..., Any] | None
    on_success: Callable[..., Any] | None
    on_failure: Callable[..., Any] | None
    on_retry: Callable[..., Any] | None
    on_complete: Callable[..., Any] | None
    queue: str | None
    save_result: bool
    result_ttl: float
    priority: int
    expires: float | None
    sensitive: Iterable[str]
    api: bool


class CtxFunction(Protocol[P, T_co]):
    """A function whose first parameter is named ``ctx``: the worker fills it in, callers do not."""

    def __call__(self, ctx: Any, *args: P.args, **kwargs: P.kwargs) -> T_co: ...


class TaskDecorator(Protocol):
    """``@worker.task`` bare, and with options, which give a decorator again."""

    @overload
    def __call__(self, func: CtxFunction[P, Coroutine[Any, Any, T]], /) -> AsyncTaskHandle[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, func: Callable[Concatenate[Context, P], Coroutine[Any, Any, T]], /
    ) -> AsyncTaskHandle[P, T]: ...
    @overload
    def __call__(self, func: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncTaskHandle[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, func: CtxFunction[P, T], /) -> SyncTaskHandle[P, T]: ...
    @overload
    def __call__(self, func: Callable[Concatenate[Context, P], T], /) -> SyncTaskHandle[P, T]: ...
    @overload
    def __call__(self, func: Callable[P, T], /) -> SyncTaskHandle[P, T]: ...
    @overload
    def __call__(self, /, **options: Unpack[TaskKeywords]) -> TaskDecorator: ...


def declare(
    worker: Worker,
    func: Any,
    options: dict[str, Any],
    *,
    kind: str = "task",
    handles: tuple[type[TaskHandle[Any, Any]], type[TaskHandle[Any, Any]]] = (
        AsyncTaskHandle,
        SyncTaskHandle,
    ),
    cron: CronPlan | None = None,
    identity: str | None = None,
) -> TaskHandle[Any, Any]:
    """Return the handle of ``func`` on ``worker``, known to the registry from now on.

    ``kind`` is "task", "cron" or "event", ``handles`` the classes of an async and of a sync function's
    handle; ``cron`` is when a cron runs; ``identity`` None is the function's own. Raises DefinitionError
    for an option that makes no sense.
    """
    given = dict(options)
    queue = given.pop("queue", None) or worker.queue
    defaults = {
        name: value for name, value in ports.get_environment().task_defaults.items() if name != "queue"
    }
    definition = TaskDefinition.build(
        func,
        kind=kind,
        cron=cron,
        queue=queue,
        defaults=defaults,
        context_types=(Context,),
        identity=identity or _identity(func),
        **given,
    )
    handle = handles[0 if definition.is_async else 1](definition, worker)
    registry.add_task(handle)
    return handle


def _identity(func: Any) -> str | None:
    """Return the identity of a function of ``__main__`` under its module's importable name.

    In a process of a pool the worker's program is ``__mp_main__``. None for all others, whose own name
    is right, and where there is no file (a shell).
    """
    name = identity_of(func)
    kind = name.partition(".")[0]
    if kind not in ("__main__", "__mp_main__"):
        return None
    main = sys.modules[kind]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name:
        module: str = spec.name.removesuffix(".__main__")
    elif file:
        module = importable_name(Path(file))
    else:
        return None
    return f"{module}{name.removeprefix(kind)}"
