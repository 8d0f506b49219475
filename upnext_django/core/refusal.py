"""Why a value cannot be sent as JSON, told with the argument, the path and the way out."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from upnext_django.exceptions import ArgumentError

__all__ = ["MAX_DEPTH", "SUPPORTED", "check_value", "is_plain", "is_promise", "subject_of"]

MAX_DEPTH = 32
SUPPORTED = (
    "None, bool, int, float, str, bytes, list, tuple, set, frozenset, dict, datetime, date, time, timedelta, "
    "UUID, Decimal, Enum, dataclasses, msgspec Structs and pydantic models"
)

_SCALARS = frozenset(
    {
        type(None), bool, int, str, bytes, UUID, Decimal,
        datetime.datetime, datetime.date, datetime.time, datetime.timedelta,
    }
)  # fmt: skip
_KEYS = (
    str, int, float, UUID, Decimal, Enum, bytes,
    datetime.datetime, datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip
_MAX_INT_DIGITS = 4300  # Python itself reads no longer one
_MAX_INT_BITS = 14_285  # of 10**4300


def is_plain(value: Any, levels: int) -> bool:
    """Return whether ``value`` is made of ordinary types, with no NaN and at most ``levels`` deep.

    The quick answer for large arguments; False means "look closer", not "wrong".
    """
    row: list[Any] = [value]
    for depth in range(levels + 1):
        below: list[Any] = []
        for item in row:
            kind = type(item)
            if depth == levels and (kind is dict or kind is list or kind is tuple):
                return False
            if kind is dict:
                for key in item:
                    if type(key) is not str:
                        return False
                below += item.values()
            elif kind is list or kind is tuple:
                below += item
            elif kind is float:
                if not math.isfinite(item):
                    return False
            elif kind not in _SCALARS:
                return False
        if not below:
            return True
        row = below
    return False


def check_value(value: Any, *, argument: str, function: str | None, hook: Callable[[Any], Any]) -> None:
    """Raise ArgumentError for the first thing in ``value`` that JSON cannot carry.

    ``hook`` turns what msgspec does not know into what it does, or raises TypeError.
    """
    _Check(argument, function, hook).visit(value, argument, ())


def subject_of(argument: str, function: str | None) -> str:
    """Return how an error begins: ``argument "order" of shop.tasks.f``."""
    shown = argument.encode(errors="backslashreplace").decode()
    subject = "the return value" if argument == "return value" else f'argument "{shown}"'
    return f"{subject} of {function}" if function else subject


def is_promise(value: Any) -> bool:
    """Return whether ``value`` is a lazy string of Django's, known by the name of its base class."""
    return any(
        base.__name__ == "Promise" and base.__module__ == "django.utils.functional"
        for base in type(value).__mro__
    )


class _Check:
    """One walk through one argument. ``above`` are the ids of the containers around a value."""

    def __init__(self, argument: str, function: str | None, hook: Callable[[Any], Any]) -> None:
        self.argument = argument
        self.function = function
        self.hook = hook

    def visit(self, value: Any, path: str, above: tuple[int, ...]) -> None:
        if value is None or isinstance(value, bool):
            return
        if isinstance(value, Enum):
            self.visit(value.value, path, above)
        elif isinstance(value, str):
            self.check_text(value, path)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise self.refuse(path, f"is {float(value)}", "JSON has no such number; pass None.")
        elif isinstance(value, int):
            self.check_int(value, path)
        elif type(value) in _SCALARS:
            return
        else:
            self.visit_container(value, path, above)

    def visit_container(self, value: Any, path: str, above: tuple[int, ...]) -> None:
        if id(value) in above:
            raise self.refuse(path, "contains itself", "Pass a value without cycles, such as the ids.")
        if len(above) >= MAX_DEPTH:
            raise self.refuse(
                path[:80], f"is nested more than {MAX_DEPTH} levels deep", "Pass a flatter value."
            )
        above = (*above, id(value))
        for inner_path, inner in self.inside(value, path, above):
            self.visit(inner, inner_path, above)

    def inside(self, value: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        """Yield the values one level down, each with its path."""
        if isinstance(value, dict):
            for key, inner in value.items():
                self.check_key(key, path)
                yield f"{path}[{str(key) if isinstance(key, int) else repr(key)}]", inner
        elif isinstance(value, list | tuple | set | frozenset):
            for index, inner in enumerate(value):
                yield f"{path}[{index}]", inner
        elif _is_model(value):
            raise self.refuse(
                path,
                f"is a {_name_of(value)} instance",
                f"Pass {path}.pk and load it in the task.",
            )
        elif (fields := _fields_of(value)) is not None:
            for name in fields:
                yield f"{path}.{name}", getattr(value, name, None)
        else:
            yield path, self.substitute(value, path)

    def substitute(self, value: Any, path: str) -> Any:
        """Return what stands for ``value``; None where msgspec encodes it by itself."""
        try:
            return self.hook(value)
        except TypeError:
            pass
        except ValueError as error:
            raise self.refuse(path, f"cannot be encoded: {error}", "Pass plain data.") from error
        try:
            msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError, NotImplementedError) as error:
            raise self.refuse(
                path,
                f"is a {_name_of(value)}",
                f"It cannot be sent as JSON; pass one of: {SUPPORTED}.",
            ) from error
        return None

    def check_key(self, key: Any, path: str) -> None:
        unfit = isinstance(key, bool) or not isinstance(key, _KEYS)
        if unfit or (isinstance(key, float) and not math.isfinite(key)):
            raise self.refuse(
                path,
                f"has the key {key!r:.80}",
                "A key is a str, number, UUID, date, Decimal or Enum; pass str(key) or a list of pairs.",
            )
        if isinstance(key, str):
            self.check_text(key, path)
        elif isinstance(key, int):
            self.check_int(key, path)

    def check_text(self, text: str, path: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.refuse(
                path,
                f"has the lone surrogate {text[error.start]!a} at {error.start}, which is no valid text",
                "Pass bytes, or text.encode(errors='replace').decode().",
            ) from error

    def check_int(self, number: int, path: str) -> None:
        # Counting digits is slow for a huge number; its bits tell as well.
        if number.bit_length() > _MAX_INT_BITS:
            raise self.refuse(
                path,
                f"is an integer of more than {_MAX_INT_DIGITS} digits",
                "Pass hex(number) and read it with int(text, 16).",
            )

    def refuse(self, path: str, problem: str, way_out: str) -> ArgumentError:
        where = "" if path == self.argument else f", at {path},"
        return ArgumentError(
            f"{subject_of(self.argument, self.function)}{where} {problem}. {way_out}", argument=self.argument
        )


def _is_model(value: Any) -> bool:
    return hasattr(type(value), "_meta") and hasattr(type(value), "pk")


def _fields_of(value: Any) -> tuple[str, ...] | None:
    """Return the field names of a dataclass, Struct or attrs object, None for anything else."""
    kind = type(value)
    for attribute in ("__dataclass_fields__", "__struct_fields__"):
        fields = getattr(kind, attribute, None)
        if fields is not None:
            return tuple(fields)
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(field.name for field in attributes)


def _name_of(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
