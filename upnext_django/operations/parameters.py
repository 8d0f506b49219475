"""The parameters of a function as a form asks for them, and the call that the answers make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from upnext_django.declare.registry import registry
from upnext_django.exceptions import ArgumentError, UnknownTask
from upnext_django.models import FunctionRecord
from upnext_django.operations.masked import hides
from upnext_django.operations.shown_definition import shows_default

__all__ = ["Parameter", "Shape", "call_of", "facts_of", "parameters_of", "read", "values_of", "written"]

_NOTHING = object()
_OPTIONAL = " | None"


class Shape(StrEnum):
    """What a value looks like that fits a parameter."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    SWITCH = "switch"
    LIST = "list"
    OBJECT = "object"
    ANY = "any"  # JSON, or a text where that is none: dates, ids, enums


_SHAPES = {
    "str": Shape.TEXT,
    "int": Shape.INTEGER,
    "float": Shape.NUMBER,
    "bool": Shape.SWITCH,
    "list": Shape.LIST,
    "tuple": Shape.LIST,
    "set": Shape.LIST,
    "frozenset": Shape.LIST,
    "dict": Shape.OBJECT,
}
_TYPES: dict[Shape, tuple[tuple[type, ...], str]] = {
    Shape.INTEGER: ((int,), "a whole number, like 7"),
    Shape.NUMBER: ((int, float), "a number, like 2.5"),
    Shape.SWITCH: ((bool,), "true or false"),
    Shape.LIST: ((list,), 'a JSON list, like [1, "two"]'),
    Shape.OBJECT: ((dict,), 'a JSON object, like {"order_id": 1}'),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. ``kind`` is "positional", "either", "args", "keyword" or "kwargs".

    ``annotation`` is its text, "" where there is none. ``default`` is JSON's text of the default, None if
    there is none or it cannot be shown. ``nullable`` says that None fits.
    """

    name: str
    kind: str
    annotation: str
    shape: Shape
    nullable: bool
    required: bool
    default: str | None
    sensitive: bool


def facts_of(function: str, *, using: str = "default") -> Mapping[str, Any]:
    """Return the options of a function: those of this process's task, else what a worker registered.

    Raises UnknownTask if nothing knows it.
    """
    task = registry.find(function)
    if task is not None:
        return task.definition.as_json()
    record = FunctionRecord.objects.using(using).filter(pk=function).first()
    if record is None:
        raise UnknownTask(f"No task {function!r} in this process, and no worker has registered it.")
    definition: Mapping[str, Any] = record.definition
    return definition


def parameters_of(facts: Mapping[str, Any]) -> list[Parameter]:
    """Return the parameters in their order, from what facts_of() returned."""
    sensitive = set(facts.get("sensitive") or ())
    return [_parameter(one, sensitive) for one in facts.get("parameters") or ()]


def read(parameter: Parameter, text: str) -> Any:
    """Return the value that somebody typed for a parameter.

    Texts are taken as they are (``""`` is an empty one), all else is JSON; where the annotation asks for
    neither, what is no JSON is a text. ``null`` is None where None fits. Raises ArgumentError.
    """
    if parameter.shape is Shape.TEXT:
        value: Any = "" if text == '""' else None if parameter.nullable and text == "null" else text
    else:
        value = _json(parameter, text.strip())
    if hides(value):
        raise _misfit(parameter, "is shown as a mask; give the value itself")
    if value is None and parameter.nullable:
        return value
    types, rule = _TYPES.get(parameter.shape, ((object,), ""))
    if not isinstance(value, types) or (
        isinstance(value, bool) and bool not in types and object not in types
    ):
        raise _misfit(parameter, f"takes {rule}")
    return value


def written(parameter: Parameter, value: Any) -> str:
    """Return the text that read() makes ``value`` of."""
    if parameter.shape is Shape.TEXT and isinstance(value, str) and value:
        return value
    if parameter.shape is Shape.ANY and isinstance(value, str) and _is_plain_text(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def call_of(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the call of ``values`` by parameter name; what is left out takes its default.

    Raises ArgumentError where a positional argument is left out before one that is given.
    """
    more = values.get(_name_of(parameters, "args"), ())
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    gap: Parameter | None = None
    for parameter in parameters:
        value = values.get(parameter.name, _NOTHING)
        by_place = parameter.kind == "positional" or (parameter.kind == "either" and bool(more))
        if value is _NOTHING:
            gap = gap or (parameter if by_place else None)
        elif parameter.kind == "args":
            args.extend(value)
        elif parameter.kind == "kwargs":
            taken = value.keys() & {one.name for one in parameters if one.kind in ("either", "keyword")}
            if taken:
                raise _misfit(parameter, f"has {', '.join(sorted(taken))}, which has a field of its own")
            kwargs.update(value)
        elif by_place:
            if gap is not None:
                raise _misfit(gap, "stands before an argument that is given, so it must be given too")
            args.append(value)
        else:
            kwargs[parameter.name] = value
    if more and gap is not None:
        raise _misfit(gap, "stands before an argument that is given, so it must be given too")
    return args, kwargs


def values_of(
    parameters: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call by parameter name, without those that the function has no more."""
    places = [one.name for one in parameters if one.kind in ("positional", "either")]
    named = {one.name for one in parameters if one.kind in ("either", "keyword")}
    values: dict[str, Any] = dict(zip(places, args, strict=False))
    rest, keywords = _name_of(parameters, "args"), _name_of(parameters, "kwargs")
    if rest and len(args) > len(places):
        values[rest] = list(args[len(places) :])
    values |= {name: value for name, value in kwargs.items() if name in named}
    others = {name: value for name, value in kwargs.items() if name not in named}
    if keywords and others:
        values[keywords] = others
    return values


def _parameter(told: Mapping[str, Any], sensitive: set[str]) -> Parameter:
    kind, annotation = told["kind"], str(told.get("annotation") or "")
    default = None
    if "default" in told and shows_default(told):
        default = json.dumps(told["default"], ensure_ascii=False)
    shape, nullable = _shape_of(annotation)
    if kind in ("args", "kwargs"):
        shape, nullable = (Shape.LIST if kind == "args" else Shape.OBJECT), False
    return Parameter(
        name=told["name"],
        kind=kind,
        annotation=annotation,
        shape=shape,
        nullable=nullable or default == "null",
        required=bool(told.get("required")),
        default=default,
        sensitive=told["name"] in sensitive,
    )


def _shape_of(annotation: str) -> tuple[Shape, bool]:
    """Return the shape of an annotation's text, and whether None fits it."""
    text = annotation.removeprefix("typing.")
    if text.startswith("Optional[") and text.endswith("]"):
        return _shape_of(text[len("Optional[") : -1])[0], True
    nullable = text.endswith(_OPTIONAL) or text in ("", "None", "Any")
    base = text.removesuffix(_OPTIONAL).partition("[")[0].removeprefix("typing.").lower()
    return _SHAPES.get(base if "|" not in text.removesuffix(_OPTIONAL) else "", Shape.ANY), nullable


def _json(parameter: Parameter, text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise _misfit(parameter, "is nested too deeply") from None
    except ValueError as error:
        # What begins like JSON was meant to be some.
        if parameter.shape is Shape.ANY and text[:1] not in ("{", "[", '"'):
            return text
        _, rule = _TYPES.get(parameter.shape, ((object,), "JSON"))
        raise _misfit(parameter, f"takes {rule} ({error})") from None


def _is_plain_text(value: str) -> bool:
    """Return whether read() would take the text as it is."""
    if value != value.strip() or not value or value[:1] in ("{", "[", '"'):
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return True
    return False


def _name_of(parameters: Sequence[Parameter], kind: str) -> str:
    return next((one.name for one in parameters if one.kind == kind), "")


def _misfit(parameter: Parameter, rule: str) -> ArgumentError:
    return ArgumentError(f'argument "{parameter.name}" {rule}.', argument=parameter.name)
