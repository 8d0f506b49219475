"""From decoded JSON back to the type that an annotation names."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from enum import Enum, Flag
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

__all__ = ["Converter", "converter_for"]

Converter = Callable[[Any], Any]

_PLAIN = (Any, object, None, type(None), bool, int, float, str, list, dict)
_JSON_KEYS = (Any, object, str)


def converter_for(annotation: Any) -> Converter | None:
    """Return what turns decoded JSON into ``annotation``, or None if it is that already.

    Annotations that say nothing about JSON (Any, type variables, classes that cannot travel) give None
    too: the value stays as it is. A converter raises ValueError or TypeError for what does not fit.
    """
    if _is_plain(annotation):
        return None
    target = _rewrite(annotation)
    if _is_plain(target) or not _is_known(target):
        return None

    def convert(value: Any) -> Any:
        return msgspec.convert(value, target, builtin_types=(), str_keys=True, dec_hook=_from_json)

    return convert


def _is_plain(annotation: Any) -> bool:
    """Return whether decoded JSON already is what ``annotation`` says."""
    if any(annotation is plain for plain in _PLAIN) or isinstance(annotation, TypeVar):
        return True
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is list:
        return _is_plain(args[0])
    if origin is dict:
        return any(args[0] is key for key in _JSON_KEYS) and _is_plain(args[1])
    if origin is Union or origin is types.UnionType:
        return all(_is_plain(arg) for arg in args)
    if origin is Literal:
        return not any(isinstance(arg, Enum | bytes) for arg in args)
    return False


def _rewrite(annotation: Any) -> Any:
    """Return ``annotation`` with what msgspec does not know replaced by an Alternative or Any."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        if _is_plain(annotation):
            return annotation
        return _alternatives(tuple(_member(arg) for arg in args))
    if origin is Union or origin is types.UnionType:
        inner = tuple(_rewrite(arg) for arg in args)
        joined: Any = Union.__getitem__(inner)
        if Any not in inner and not any(_is_own(arg) for arg in inner) and _is_known(joined):
            return joined
        if not any(converter_for(arg) for arg in args):
            return Any
        return _alternatives(tuple(converter_for(arg) or _unconverted(arg) for arg in _in_order(args)))
    if origin is Iterable:
        origin = list
    if origin is not None and args and _is_known(origin):
        try:
            rewritten = origin[tuple(_rewrite(arg) if arg is not Ellipsis else arg for arg in args)]
        except TypeError:
            return annotation
        return rewritten if _is_known(rewritten) else Any
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        if issubclass(annotation, Flag) or not _is_known(annotation):
            return _alternatives((_member_of(annotation),))
        return annotation
    if _is_model(annotation):
        return annotation
    return annotation if _is_known(annotation) else Any


def _is_known(annotation: Any) -> bool:
    """Return whether msgspec (or a pydantic model) can make this type from JSON."""
    try:
        msgspec.json.Decoder(annotation, dec_hook=_from_json)
        info = msgspec.inspect.type_info(annotation)
    except (TypeError, ValueError, NameError, AttributeError, RecursionError):
        return False
    return not isinstance(info, msgspec.inspect.CustomType) or _is_model(info.cls) or _is_own(info.cls)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "model_validate_json")


def _from_json(kind: Any, value: Any) -> Any:
    """Make what msgspec cannot: an Alternative or a pydantic model."""
    if _is_own(kind):
        return kind.read(value)
    if _is_model(kind):
        # As JSON, so that a strict model too takes the strings that dates and UUIDs have become.
        return kind.model_validate_json(msgspec.json.encode(value))
    raise TypeError(f"{kind!r} cannot be made from JSON")


class _AnyInstance(type):
    """Lets msgspec take what an Alternative made for an instance of it."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


class Alternative(metaclass=_AnyInstance):
    """Stands in an annotation for a choice that msgspec refuses, such as ``date | datetime``."""

    @staticmethod
    def read(value: Any) -> Any:
        """Return the first choice that takes ``value``; raise ValueError if none does."""
        raise NotImplementedError


def _is_own(kind: Any) -> bool:
    return type(kind) is _AnyInstance


def _alternatives(readers: tuple[Converter, ...]) -> type:
    def read(value: Any) -> Any:
        problems = []
        for reader in readers:
            try:
                return reader(value)
            except (ValueError, TypeError) as error:
                problems.append(str(error))
        raise ValueError("; ".join(problems))

    return _AnyInstance("Alternative", (Alternative,), {"read": staticmethod(read)})


def _in_order(args: tuple[Any, ...]) -> list[Any]:
    """Return the choices of a union with those first that take the fewest values.

    A date is always written as a str, but most texts are no date. Bytes are the exception: nearly
    every word is base64 too, so beside str they would take texts that were never bytes.
    """
    if str in args:
        args = tuple(arg for arg in args if arg is not bytes and arg is not bytearray)

    def width(arg: Any) -> int:
        if converter_for(arg) is not None:
            return 0
        return 1 if _is_plain(arg) else 2

    return sorted(args, key=width)


def _unconverted(annotation: Any) -> Converter:
    """Return a converter that takes what JSON gives for a plain type, and everything for another."""

    def convert(value: Any) -> Any:
        return msgspec.convert(value, annotation) if _is_plain(annotation) else value

    return convert


def _member_of(kind: type[Enum]) -> Converter:
    """Return a converter to an Enum whose values are not all str or all int."""

    def convert(value: Any) -> Any:
        for member in kind:
            if _as_json(member) == value:
                return member
        return kind(value)

    return convert


def _member(literal: Any) -> Converter:
    """Return a converter to one value of a Literal."""
    expected = _as_json(literal)

    def convert(value: Any) -> Any:
        if value == expected and type(value) is type(expected):
            return literal
        raise ValueError(f"Invalid value {value!r}, expected {literal!r}")

    return convert


def _as_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))
