"""The committed text of the API, docs/reference/openapi.json, and the page that is made from it.

``python -m tests.api.reference`` writes both anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["FILE", "PAGE", "page_of", "schema", "text_of"]

_ROOT = Path(__file__).resolve().parents[2]
FILE = _ROOT / "docs" / "reference" / "openapi.json"
PAGE = _ROOT / "docs" / "reference" / "api.md"

_HEAD = """\
# REST API

Every operation under `/api/v1`, made from `openapi.json` beside this page by `make api-reference`.
[How to call it](../how-to/api.md) has tokens, pages, errors and keys. Each operation names the permission
that its caller needs, and the scope that a token needs for it; all of them may answer 401 (nobody), 403 (not
allowed), 422 (a value is wrong) and 429 (too often), with a [problem](#problem).
"""


def schema() -> dict[str, Any]:
    """Return the schema as it is served."""
    from upnext_django.api import api

    found: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))
    return found


def text_of(schema: dict[str, Any]) -> str:
    """Return what the file has."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def page_of(schema: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    return "\n".join([_HEAD, *_operations(schema), *_shapes(schema)]).rstrip() + "\n"


def _operations(schema: dict[str, Any]) -> Iterator[str]:
    tag = None
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            own = (operation.get("tags") or ["other"])[0]
            if own != tag:
                tag = own
                yield f"## {tag[:1].upper()}{tag[1:]}\n"
            yield f"### {method.upper()} {path.removeprefix('/api/v1')}\n"
            yield f"{operation['summary']}.\n"
            if operation.get("description"):
                yield f"{operation['description']}\n"
            yield from _parameters(operation)
            body = operation.get("requestBody", {}).get("content", {})
            for media, content in body.items():
                yield f"Takes {_type(content['schema'])} as `{media}`.\n"
            yield f"Answers {_answers(operation)}.\n"


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    rows = operation.get("parameters", ())
    if not rows:
        return
    yield "| parameter | in | type | meaning |\n| --- | --- | --- | --- |"
    for one in rows:
        required = ", required" if one["required"] and one["in"] != "path" else ""
        default = one["schema"].get("default")
        meaning = one.get("description", "")
        if default is not None:
            meaning = f"{meaning} `{json.dumps(default)}` if left out.".strip()
        yield f"| `{one['name']}` | {one['in']}{required} | {_type(one['schema'])} | {meaning} |"
    yield ""


def _answers(operation: dict[str, Any]) -> str:
    always = {"401", "403", "422", "429"}
    good = [status for status in operation["responses"] if int(status) < 400]
    bad = [status for status in operation["responses"] if int(status) >= 400 and status not in always]
    shown = []
    for status in good:
        content = operation["responses"][status].get("content", {})
        kinds = sorted({_type(one["schema"]) for one in content.values()})
        shown.append(f"{status} with {', '.join(kinds)}" if kinds else status)
    return " or ".join(shown) + (f"; refuses with {', '.join(bad)}" if bad else "")


def _shapes(schema: dict[str, Any]) -> Iterator[str]:
    yield "## Shapes\n"
    for name, shape in sorted(schema["components"]["schemas"].items()):
        yield f"### {name}\n"
        if shape.get("description"):
            yield f"{shape['description'].replace('``', '`')}\n"
        if "enum" in shape:
            yield f"One of {', '.join(f'`{value}`' for value in shape['enum'])}.\n"
            continue
        required = set(shape.get("required", ()))
        yield "| field | type | meaning |\n| --- | --- | --- |"
        for field, one in shape.get("properties", {}).items():
            mark = " (required)" if field in required else ""
            yield f"| `{field}`{mark} | {_type(one)} | {one.get('description', '')} |"
        yield ""


def _type(schema: dict[str, Any]) -> str:
    """Return a type in words; a shape of its own is a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "allOf" in schema:
        return " and ".join(_type(one) for one in schema["allOf"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    limits = [
        f"{sign} {schema[name]}"
        for name, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
        if name in schema
    ]
    shown = f"{kind} ({schema['format']})" if "format" in schema else str(kind)
    return f"{shown} {', '.join(limits)}".strip()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    import django

    django.setup()
    found = schema()
    FILE.write_text(text_of(found))
    PAGE.write_text(page_of(found))


if __name__ == "__main__":
    main()
