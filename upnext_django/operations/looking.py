"""A look at Redis or the database from a page that opens without them too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from upnext_django.operations.away import AWAY, cause_of

__all__ = ["look"]

T = TypeVar("T")


def look(at: Callable[[], T]) -> tuple[T | None, str]:
    """Return what ``at`` returns and "", or None and what is away and the way out."""
    try:
        return at(), ""
    except AWAY as error:
        cause = cause_of(error)
        if cause is None:
            raise
        return None, str(cause)
