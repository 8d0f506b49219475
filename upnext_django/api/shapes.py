"""The shapes of the OpenAPI text, each once and by its name, as generators of clients want them."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, Final

import msgspec

from upnext_django.operations.happenings.happening import JobEvent

__all__ = ["give_names"]

_PLACE: Final = "#/components/schemas/"
_STREAM: Final = "text/event-stream"


def give_names(schema: dict[str, Any]) -> None:
    """Say by name what ninja repeats in place, that answers have all their fields, and what streams tell.

    What is left without a use goes: ninja keeps the models of filters, whose fields stand in the parameters.
    """
    shapes: dict[str, Any] = schema["components"]["schemas"]
    operations = [one for path in schema["paths"].values() for one in path.values()]
    for operation in operations:
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _by_name(parameter["schema"], shapes)
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
        if form:
            _name_form(form, operation["operationId"], shapes)
        for response in operation["responses"].values():
            if _STREAM in response.get("content", {}):
                response["content"] = {_STREAM: {"schema": _events(shapes)}}
    asked = _reached([[one.get("parameters"), one.get("requestBody")] for one in operations], shapes)
    told = _reached([[one["responses"] for one in operations], schema["components"].get("responses")], shapes)
    for name in told - asked:
        _require_all(shapes[name])
    for name in shapes.keys() - told - asked:
        del shapes[name]


def _by_name(schema: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    """Return ``schema`` with a reference where it repeats one of ``shapes``."""
    if schema and shapes.get(schema.get("title", "")) == schema:
        return {"$ref": f"{_PLACE}{schema['title']}"}
    if "items" in schema:
        return {**schema, "items": _by_name(schema["items"], shapes)}
    if "allOf" in schema:
        return {**schema, "allOf": [_by_name(part, shapes) for part in schema["allOf"]]}
    return schema


def _name_form(form: dict[str, Any], operation_id: str, shapes: dict[str, Any]) -> None:
    name = "".join(word.capitalize() for word in operation_id.split("_")) + "Form"
    fields = {field: _by_name(one, shapes) for field, one in form["schema"]["properties"].items()}
    shapes[name] = {**form["schema"], "title": name, "properties": fields}
    form["schema"] = {"$ref": f"{_PLACE}{name}"}


def _events(shapes: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of a stream. OpenAPI 3.1 has no word for what its events are; clients get a class."""
    (reference,), found = msgspec.json.schema_components([JobEvent], ref_template=f"{_PLACE}{{name}}")
    for name, shape in found.items():
        # Of a docstring, where Pythons before 3.13 keep the margin.
        shapes.setdefault(name, {**shape, "description": cleandoc(shape["description"])})
    return {"type": "string", "x-event-data": reference}


def _require_all(shape: dict[str, Any]) -> None:
    """Say that all fields are there: what pydantic may fill in for a request, it has filled in here."""
    if "properties" in shape:
        shape["required"] = list(shape["properties"])
        for field in shape["properties"].values():
            field.pop("default", None)


def _reached(part: Any, shapes: dict[str, Any]) -> set[str]:
    """Return the names of ``shapes`` that ``part`` leads to, by any number of references."""
    found: set[str] = set()
    ahead = list(_named(part))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += _named(shapes[name])
    return found


def _named(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PLACE):
            yield reference.removeprefix(_PLACE)
        for inner in part.values():
            yield from _named(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _named(inner)
