"""Pages by key: each costs the same, wherever it is, and none skips or repeats what others insert."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from django.db.models import QuerySet
from pydantic import Field

from upnext_django.api.problems import wrong

__all__ = ["Cursor", "Limit", "page", "read_cursor", "written_cursor"]

Cursor = Annotated[
    str | None,
    Field(max_length=400, description="`next` of the page before; what a cursor says is nobody's business."),
]
Limit = Annotated[int, Field(ge=1, le=200, description="At most so many items.")]


def page(
    rows: QuerySet[Any],
    cursor: str | None,
    limit: int,
    *,
    ascending: bool = False,
    keys_first: bool = False,
) -> tuple[list[Any], str | None]:
    """Return ``limit`` of ``rows`` by their keys (texts), the highest first, and the next cursor.

    The page begins after ``cursor``. ``keys_first`` finds the keys before it reads the rows: an index that
    has all that is asked for is read alone, and taken for that. Raises ProblemError for a cursor that no page
    gave.
    """
    if cursor is not None:
        rows = rows.filter(**{"pk__gt" if ascending else "pk__lt": read_cursor(cursor)})
    rows = rows.order_by("pk" if ascending else "-pk")
    if keys_first:
        keys = list(rows.values_list("pk", flat=True)[: limit + 1])
        found = list(rows.filter(pk__in=keys[:limit]))
    else:
        found = list(rows[: limit + 1])
        keys = [row.pk for row in found]
    return found[:limit], written_cursor(str(keys[limit - 1])) if len(keys) > limit else None


def written_cursor(value: str) -> str:
    """Return the cursor of a page that ends at ``value``."""
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Return where a page ended. Raises ProblemError for a text that written_cursor() did not give."""
    try:
        value = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
    except (UnicodeError, binascii.Error, ValueError):
        value = ""
    if not value or not value.isprintable() or written_cursor(value) != cursor:
        raise wrong("query.cursor", "it must be `next` of an earlier answer")
    return value
