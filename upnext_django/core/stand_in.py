"""A function that this process does not have, as far as a submit must know it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.options import names_in

__all__ = ["stand_in"]

_KINDS = {
    "positional": inspect.Parameter.POSITIONAL_ONLY,
    "either": inspect.Parameter.POSITIONAL_OR_KEYWORD,
    "args": inspect.Parameter.VAR_POSITIONAL,
    "keyword": inspect.Parameter.KEYWORD_ONLY,
    "kwargs": inspect.Parameter.VAR_KEYWORD,
}
_MANY = ("args", "kwargs")


class _Parameter(msgspec.Struct, frozen=True):
    name: str
    kind: str
    required: bool
    default: Any | UnsetType = UNSET

    def as_parameter(self) -> inspect.Parameter:
        default: Any = inspect.Parameter.empty
        if not self.required and self.kind not in _MANY:
            # A default that JSON does not have stays with the function; here it only says "optional".
            default = None if self.default is UNSET else self.default
        return inspect.Parameter(self.name, _KINDS[self.kind], default=default)


class _Rate(msgspec.Struct, frozen=True):
    limit: int
    window_ms: int


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of ``TaskDefinition.as_json()``; a newer worker may say more."""

    function: str
    function_name: str
    kind: str
    queue: str
    source: str
    aliases: tuple[str, ...] = ()
    retries: int = 0
    timeout: float | None = None
    priority: int = 0
    expires: float | None = None
    sensitive: tuple[str, ...] = ()
    rate_limit: _Rate | None = None
    max_concurrency: int | None = None
    rate_limit_key: str | None = None
    concurrency_key: str | None = None
    cache_key: str | None = None
    cache_ttl: float | None = None
    parameters: tuple[_Parameter, ...] = ()
    api: bool = False

    @property
    def fills_cache_key(self) -> bool:
        """Whether the template can be filled here: not with a default that only the function itself has."""
        untold = {
            p.name for p in self.parameters if not p.required and p.default is UNSET and p.kind not in _MANY
        }
        return self.cache_key is not None and untold.isdisjoint(names_in(self.cache_key))


class _Context:
    """What the stand-in's first parameter is annotated with."""


_decode = msgspec.json.Decoder(_Told).decode


@lru_cache(maxsize=1024)
def stand_in(raw: bytes) -> TaskDefinition:
    """Return the definition that ``raw``, the JSON of ``TaskDefinition.as_json()``, tells of.

    It makes the same jobs as the real one. Annotations are not told: arguments are sent and values come
    back as plain JSON. Raises msgspec.DecodeError for what is no such JSON.
    """
    told = _decode(raw)
    function: Any = lambda: None  # noqa: E731 - it has no annotations, which mypy asks of a def
    # The context's place is taken, so that no parameter is mistaken for it.
    context = inspect.Parameter("_upnext_context", inspect.Parameter.POSITIONAL_ONLY, annotation=_Context)
    parameters = [parameter.as_parameter() for parameter in told.parameters]
    function.__signature__ = inspect.Signature([context, *parameters])
    rate = told.rate_limit
    definition = TaskDefinition.build(
        function,
        kind=told.kind,
        queue=told.queue,
        context_types=(_Context,),
        identity=told.function,
        name=told.function_name,
        aliases=told.aliases,
        retries=told.retries,
        timeout=told.timeout,
        priority=told.priority,
        expires=told.expires,
        sensitive=told.sensitive,
        rate_limit=None if rate is None else f"{rate.limit}/{rate.window_ms // 1000}s",
        max_concurrency=told.max_concurrency,
        rate_limit_key=told.rate_limit_key,
        concurrency_key=told.concurrency_key,
        cache_key=told.cache_key if told.fills_cache_key else None,
        cache_ttl=told.cache_ttl if told.fills_cache_key else None,
        api=told.api,
    )
    return replace(definition, source=told.source)
