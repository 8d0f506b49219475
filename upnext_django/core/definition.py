"""What a function promises and asks for: the options of a task, checked when it is declared."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from upnext_django.core import codec
from upnext_django.core.missed import CronPlan
from upnext_django.core.names import check_function_name, check_name, identity_of
from upnext_django.core.options import DEFAULTS, Hook, check_defaults, check_options, check_together
from upnext_django.core.rates import Rate
from upnext_django.core.retries import RetryPolicy
from upnext_django.core.signature import Signature
from upnext_django.exceptions import ArgumentError, DefinitionError

__all__ = ["Hook", "TaskDefinition", "is_coroutine_function"]

_KINDS = ("task", "cron", "event")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """One function and its options, all checked.

    ``function`` is the identity that jobs carry, ``function_name`` what people read. Times that users
    write are seconds; ``ttl_ms`` and ``cache_ttl_ms`` are those for Redis, the second that of
    ``result_ttl`` where ``cache_ttl`` is None. ``retry_on`` None is every exception. ``rate_limit`` is
    parsed; ``retry`` holds the retry options in one value.
    """

    function: str
    function_name: str
    func: Callable[..., Any]
    is_async: bool
    signature: Signature
    source: str  # "file:line"
    kind: str
    queue: str
    aliases: tuple[str, ...]
    retry: RetryPolicy
    retries: int
    retry_delay: float
    retry_backoff: float
    retry_jitter: float
    retry_max_delay: float
    retry_on: tuple[type[BaseException], ...] | None
    no_retry_on: tuple[type[BaseException], ...]
    timeout: float | None
    rate_limit: Rate | None
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
    save_result: bool
    result_ttl: float
    priority: int
    expires: float | None
    sensitive: tuple[str, ...]
    api: bool
    max_attempts: int
    ttl_ms: int
    cache_ttl_ms: int
    cron: CronPlan | None = None

    @classmethod
    def build(
        cls,
        func: Callable[..., Any],
        *,
        kind: str = "task",
        queue: str,
        defaults: Mapping[str, Any] | None = None,
        context_types: tuple[type, ...] = (),
        identity: str | None = None,
        cron: CronPlan | None = None,
        **options: Any,
    ) -> TaskDefinition:
        """Return the definition of ``func`` with ``options`` over ``defaults`` (TASK_DEFAULTS).

        ``queue`` is where its jobs go: the task's own option or else the worker's. ``identity`` replaces
        the function's own ``{module}.{qualname}``, for scripts that run as ``__main__``. ``cron`` says when
        it runs by itself. Raises DefinitionError, which names the function and its place, for everything that
        makes no sense.
        """
        if kind not in _KINDS:
            raise DefinitionError(f"kind={kind!r} is unknown; a definition is one of: {', '.join(_KINDS)}.")
        where = _source_of(func)
        function = check_function_name(identity or identity_of(func))
        source = f"{function} ({where})"
        _check_callable(func, source)
        signature = Signature.of(func, context_types=context_types, identity=function)
        if cron is not None:
            _check_callable_alone(signature, source)
        common = check_defaults(defaults or {}, source=source)
        values = {**DEFAULTS, **common, **check_options(options, source=source)}
        check_together(values, signature, source=source)
        name = values.pop("name")
        cache_ttl = values["cache_ttl"]
        return cls(
            function=function,
            function_name=name or getattr(func, "__name__", function),
            func=func,
            is_async=is_coroutine_function(func),
            signature=signature,
            source=where,
            kind=kind,
            cron=cron,
            queue=check_name("queue", queue),
            retry=RetryPolicy(
                retries=values["retries"],
                delay_s=values["retry_delay"],
                backoff=values["retry_backoff"],
                jitter=values["retry_jitter"],
                max_delay_s=values["retry_max_delay"],
            ),
            max_attempts=values["retries"] + 1,
            ttl_ms=max(1, round(values["result_ttl"] * 1000)),
            cache_ttl_ms=max(1, round((cache_ttl or values["result_ttl"]) * 1000)),
            **values,
        )

    @property
    def may_change_queue(self) -> bool:
        """Whether a call may name another queue: limits and the cache are counted in one queue only."""
        return self.rate_limit is None and self.max_concurrency is None and self.cache_key is None

    @property
    def is_limited(self) -> bool:
        """Whether a rate or a cap bounds it over the whole cluster."""
        return self.max_concurrency is not None or self.rate_limit is not None

    @property
    def has_hooks(self) -> bool:
        """Whether anything is to be called after an attempt."""
        hooks = (self.on_complete, self.on_success, self.on_failure, self.on_retry)
        return any(hook is not None for hook in hooks)

    @property
    def limit_key(self) -> str | None:
        """The template that parts this function's jobs, None if its limits hold for all together."""
        return self.rate_limit_key or self.concurrency_key

    def hook(self, name: Hook) -> Callable[..., Any] | None:
        """Return the user's function for one moment, None if there is none."""
        hook: Callable[..., Any] | None = getattr(self, name.value)
        return hook

    def render(self, template: str, named: Mapping[str, Any]) -> str:
        """Return a key template filled with the arguments of one call (``signature.named()``).

        Raises ArgumentError for an argument that has no such item or attribute.
        """
        try:
            return template.format_map(named)
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"The template {template!r} of {self.function} cannot be filled: "
                f"{type(error).__name__}: {error}. Pass the arguments that it names.",
                argument=template,
            ) from error

    def cache_digest(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return what the cached result of a call is kept under, "" without a ``cache_key``.

        128 bits: two keys of one digest would give one caller the other's value, so nobody may find two.
        Raises ArgumentError as render() does.
        """
        if self.cache_key is None:
            return ""
        text = self.render(self.cache_key, self.signature.named(args, kwargs))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return what the registry of functions tells other processes, as plain JSON values.

        Classes are names, a default that JSON does not know (or that is sensitive) is left out.
        """
        rate = self.rate_limit
        return {
            "function": self.function,
            "function_name": self.function_name,
            "kind": self.kind,
            "queue": self.queue,
            "aliases": list(self.aliases),
            "is_async": self.is_async,
            "source": self.source,
            "retries": self.retries,
            "retry_delay": self.retry_delay,
            "retry_backoff": self.retry_backoff,
            "retry_jitter": self.retry_jitter,
            "retry_max_delay": self.retry_max_delay,
            "retry_on": None if self.retry_on is None else [each.__qualname__ for each in self.retry_on],
            "no_retry_on": [each.__qualname__ for each in self.no_retry_on],
            "timeout": self.timeout,
            "rate_limit": None if rate is None else {"limit": rate.limit, "window_ms": rate.window_ms},
            "max_concurrency": self.max_concurrency,
            "rate_limit_key": self.rate_limit_key,
            "concurrency_key": self.concurrency_key,
            "cache_key": self.cache_key,
            "cache_ttl": self.cache_ttl,
            "save_result": self.save_result,
            "result_ttl": self.result_ttl,
            "priority": self.priority,
            "expires": self.expires,
            "sensitive": list(self.sensitive),
            "api": self.api,
            "cron": None if self.cron is None else self.cron.as_json(),
            "parameters": [self._parameter_as_json(parameter) for parameter in self.signature.parameters],
        }

    def _parameter_as_json(self, parameter: Any) -> dict[str, Any]:
        annotation = parameter.annotation
        told: dict[str, Any] = {
            "name": parameter.name,
            "kind": parameter.kind,
            "required": parameter.required,
            "annotation": inspect.formatannotation(annotation) if annotation is not Any else None,
        }
        if parameter.default is not inspect.Parameter.empty and parameter.name not in self.sensitive:
            raw = codec.try_encode(parameter.default)
            if raw is not None:
                told["default"] = codec.decode(raw)
        return told


def _check_callable(func: Any, source: str) -> None:
    if isinstance(func, type) or not callable(func):
        raise DefinitionError(f"{source}: {func!r} is not a function; write one with def that calls it.")
    unwrapped = inspect.unwrap(func)
    if inspect.isgeneratorfunction(unwrapped) or inspect.isasyncgenfunction(unwrapped):
        raise DefinitionError(
            f"{source}: a function with yield cannot be a task, since calling it runs nothing; "
            "return a list instead, or submit one job per item."
        )


def _check_callable_alone(signature: Signature, source: str) -> None:
    try:
        signature.bind((), {})
    except TypeError as error:
        raise DefinitionError(
            f"{source}: a cron is called without arguments, and {error}; give its parameters defaults."
        ) from None


def is_coroutine_function(func: Callable[..., Any]) -> bool:
    """Return whether calling ``func``, a function or an object, gives a coroutine."""
    if inspect.iscoroutinefunction(func):
        return True
    return not inspect.isroutine(func) and inspect.iscoroutinefunction(type(func).__call__)


def _source_of(func: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(func), "__code__", None)
    if code is None:
        return "unknown place"
    return f"{code.co_filename.removeprefix(os.getcwd() + os.sep)}:{code.co_firstlineno}"
