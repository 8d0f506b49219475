"""The Idempotency-Key header: the same request with the same key gives the same jobs."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.http import HttpRequest
from ninja.errors import HttpError

from upnext_django.api.auth import caller
from upnext_django.operations.once import REFUSALS, Turn, once

__all__ = ["turn_of"]


def turn_of(request: HttpRequest, key: str | None) -> AbstractContextManager[Turn]:
    """Return the turn of a request; see operations.once."""
    asked = f"{request.method} {request.path}\n".encode() + (b"" if key is None else request.body)
    return once(key, who=caller(request).key, asked=asked, refusals=(*REFUSALS, HttpError))
