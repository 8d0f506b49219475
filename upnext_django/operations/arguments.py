"""The arguments of a replay: kept as they are, or edited and checked against the signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from upnext_django.core import codec
from upnext_django.core.definition import TaskDefinition
from upnext_django.declare import ports
from upnext_django.declare.registry import registry
from upnext_django.exceptions import EncryptionError, UnknownTask, UpNextError
from upnext_django.models import FunctionRecord

__all__ = ["EncodedCall", "encode_call"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedCall:
    """Arguments as they travel: JSON, or the encrypted text with ``sealed``.

    ``shown`` is the masked copy for history, None for the same. ``digest`` is of the limit key, ``cache``
    of the cache key; "" where the function has none. A call that only a record checks has no cache, since
    the task alone can fill its template.
    """

    args: bytes
    shown: bytes | None = None
    sealed: bool = False
    digest: str = ""
    cache: str = ""


def encode_call(
    function: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, using: str = "default"
) -> EncodedCall:
    """Return a call of ``function``, checked against its signature.

    The signature is that of this process's task, else what a worker last registered. Raises TypeError
    for a call that the function does not take, ArgumentError for a value that does not fit, UnknownTask
    if nothing knows the function, and UpNextError for what only a process that has the task can do.
    """
    max_bytes = ports.get_environment().max_payload_bytes
    task = registry.find(function)
    if task is not None:
        return _by_definition(task.definition, args, kwargs, max_bytes)
    record = FunctionRecord.objects.using(using).filter(pk=function).first()
    if record is None:
        raise UnknownTask(
            f"No task {function!r} in this process and no worker has registered it, so its arguments cannot "
            "be checked. Install the app that declares it, or replay the job without editing it."
        )
    return _by_record(record, args, kwargs, max_bytes)


def _by_definition(
    definition: TaskDefinition, args: Sequence[Any], kwargs: Mapping[str, Any], max_bytes: int
) -> EncodedCall:
    signature = definition.signature
    signature.bind(args, kwargs)
    raw = signature.encode(args, kwargs, max_bytes=max_bytes)
    typed_args, typed_kwargs = signature.decode(raw)
    cache = definition.cache_digest(typed_args, typed_kwargs)
    digest = ""
    if definition.limit_key is not None:
        text = definition.render(definition.limit_key, signature.named(typed_args, typed_kwargs))
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    if not definition.sensitive:
        return EncodedCall(args=raw, digest=digest, cache=cache)
    sealer = ports.sealer()
    if sealer is None:
        raise EncryptionError(
            f"{definition.function} has sensitive arguments ({', '.join(definition.sensitive)}) and nothing "
            "here can encrypt them. Set UPNEXT['SECRETS_KEYS'] and install upnext-django[secrets]."
        )
    return EncodedCall(
        args=msgspec.json.encode(sealer.seal(raw)),
        shown=signature.mask(args, kwargs, definition.sensitive),
        sealed=True,
        digest=digest,
        cache=cache,
    )


def _by_record(
    record: FunctionRecord, args: Sequence[Any], kwargs: Mapping[str, Any], max_bytes: int
) -> EncodedCall:
    definition = record.definition
    for option in ("sensitive", "rate_limit_key", "concurrency_key"):
        if definition.get(option):
            raise UpNextError(
                f"{record.function} has {option}, which only a process that declares the task can apply to "
                "edited arguments. Edit it from there, or replay the job without editing it."
            )
    _bind(record.function, definition.get("parameters", []), args, kwargs)
    raw = codec.encode((list(args), dict(kwargs)), argument="arguments", function=record.function)
    if len(raw) > max_bytes:
        raise UpNextError(
            f"The arguments of {record.function} are {len(raw):,} bytes of JSON; at most {max_bytes:,} are "
            'allowed. Pass ids, or raise UPNEXT["MAX_PAYLOAD_BYTES"].'
        )
    return EncodedCall(args=raw)


def _bind(
    function: str, parameters: Sequence[Mapping[str, Any]], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Raise TypeError if a function with such parameters cannot be called like this."""
    kinds = {one["name"]: one["kind"] for one in parameters}
    places = [name for name, kind in kinds.items() if kind in ("positional", "either")]
    by_keyword = {name for name, kind in kinds.items() if kind in ("either", "keyword")}
    if len(args) > len(places) and "args" not in kinds.values():
        raise TypeError(f"{function}() takes at most {len(places)} positional arguments; {len(args)} given")
    given = set(places[: len(args)])
    for name in kwargs:
        if name in given and name in by_keyword:
            raise TypeError(f"{function}() got multiple values for argument {name!r}")
        if name not in by_keyword and "kwargs" not in kinds.values():
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    given |= by_keyword & set(kwargs)
    missing = [one["name"] for one in parameters if one["required"] and one["name"] not in given]
    if missing:
        raise TypeError(f"{function}() missing a required argument: {', '.join(map(repr, missing))}")
