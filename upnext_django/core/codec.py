"""Values to JSON and back: the only form in which arguments and results travel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from upnext_django.core.refusal import (
    MAX_DEPTH,
    check_value,
    is_plain,
    is_promise,
    subject_of,
)
from upnext_django.exceptions import ArgumentError

__all__ = ["canonical", "check_size", "decode", "encode", "try_encode"]

_FAILURES = (TypeError, ValueError, RecursionError, OverflowError, NotImplementedError)


def encode(value: Any, *, argument: str, max_bytes: int | None = None, function: str | None = None) -> bytes:
    """Return ``value`` as JSON.

    Raises ArgumentError for what JSON cannot carry (NaN, cycles, more than 32 levels, model instances,
    unknown types) and for more than ``max_bytes`` bytes (None is no limit). ``argument`` is the
    parameter's name, or "return value"; with ``function``, the identity, the text names both.
    """
    raw = try_encode(value)
    if raw is None:
        check_value(value, argument=argument, function=function, hook=_encode_other)
        try:
            raw = _ENCODER.encode(value)
        except _FAILURES as error:
            raise ArgumentError(
                f"{subject_of(argument, function)} cannot be encoded as JSON: {error}.", argument=argument
            ) from error
    check_size(raw, argument=argument, max_bytes=max_bytes, function=function)
    return raw


def try_encode(value: Any, *, levels: int = MAX_DEPTH) -> bytes | None:
    """Return ``value`` as JSON, or None if it must be looked at first: encode() says what is wrong.

    ``levels`` is how deep it may be nested.
    """
    try:
        raw = _ENCODER.encode(value)
    except _FAILURES:
        return None
    # msgspec writes NaN as null (as a key: "nan") and knows no depth; all leave a trace that is cheap
    # to look for.
    suspect = (
        b"null" in raw or b'nan":' in raw or b'inf":' in raw or raw.count(b"[") + raw.count(b"{") > levels
    )
    if suspect and not is_plain(value, levels):
        return None
    return raw


def check_size(raw: bytes, *, argument: str, max_bytes: int | None, function: str | None = None) -> None:
    """Raise ArgumentError if ``raw`` is over ``max_bytes`` bytes; None is no limit."""
    if max_bytes is not None and len(raw) > max_bytes:
        setting = "MAX_RESULT_BYTES" if argument == "return value" else "MAX_PAYLOAD_BYTES"
        raise ArgumentError(
            f"{subject_of(argument, function)} is {len(raw):,} bytes of JSON; at most {max_bytes:,} are "
            f'allowed. Store it (a row, a file) and pass its id, or raise UPNEXT["{setting}"].',
            argument=argument,
        )


def canonical(value: Any) -> bytes:
    """Return JSON that is the same in every process, for hashing only.

    The order of a set depends on the process; here sets and dicts are sorted. ``value`` has passed
    encode().
    """
    return _CANONICAL.encode(value)


def decode(raw: bytes, type: Any = Any) -> Any:
    """Return the value of JSON text as ``type``. Raises msgspec.DecodeError if it does not fit."""
    if type is Any:
        return _DECODER.decode(raw)
    return msgspec.json.decode(raw, type=type)


def _encode_other(value: Any) -> Any:
    """Return what stands for a value that msgspec does not know; raise TypeError for none.

    Subclasses of the types that it knows (SafeString, numpy.float64, a frozen clock's datetime),
    Django's lazy strings and pydantic models.
    """
    for kind, reduce in _REDUCED:
        if isinstance(value, kind) and not isinstance(value, bool):  # a bool comes here as a key only
            return reduce(value)
    if is_promise(value):
        return str.__str__(str(value))
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} is not supported")


def _plain_timedelta(value: timedelta) -> timedelta:
    return timedelta(days=value.days, seconds=value.seconds, microseconds=value.microseconds)


# Subclasses to what msgspec writes for their base.
_REDUCED: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (float, float.__float__),
    (int, int.__int__),
    (datetime, datetime.isoformat),
    (date, date.isoformat),
    (time, time.isoformat),
    (timedelta, _plain_timedelta),
    (UUID, str),
    (Decimal, str),
    (bytes, bytes),
)

_ENCODER = msgspec.json.Encoder(enc_hook=_encode_other)
_CANONICAL = msgspec.json.Encoder(enc_hook=_encode_other, order="deterministic")
_DECODER = msgspec.json.Decoder()
