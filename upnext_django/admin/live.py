"""Tells an open page that something changed: a stream under ASGI, nothing but "ask again" under WSGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)

from upnext_django.operations.changes import cursors
from upnext_django.operations.sse import COME_BACK_MS, LASTS_S, SILENCE_S, can_stream, stream

__all__ = ["CHOICES", "changes"]

#: Seconds between two refreshes that a reader may choose, besides off.
CHOICES = (2, 5, 15, 60)

_MOST_STREAMS = 100

_streams = 0


def changes(request: HttpRequest) -> HttpResponseBase:
    """Return a stream of server-sent events: ``change`` with the newest move's id, now and when it changes.

    A comment follows 15 s of silence; after 10 minutes it ends and the browser comes back. Under WSGI, where
    a stream would hold a whole thread, and for more than 100 streams in this process, the answer is
    ``{"live": "poll"}``.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    # Under WSGI an endless generator would be collected into a list: it must not even be made.
    if not can_stream(request) or _streams >= _MOST_STREAMS:
        return JsonResponse({"live": "poll"})
    return stream(_events())


async def _events() -> AsyncIterator[str]:
    """Yield the lines. A disconnect cancels it."""
    global _streams
    _streams += 1
    try:
        # The request has looked at the session; its connection would be held for as long as the stream.
        await sync_to_async(connections.close_all)()
        yield f"retry: {COME_BACK_MS}\n\n"
        ends_at = asyncio.get_running_loop().time() + LASTS_S
        async with aclosing(cursors(silence_s=SILENCE_S)) as found:
            async for cursor in found:
                if asyncio.get_running_loop().time() >= ends_at:
                    return
                yield f"event: change\ndata: {cursor}\n\n" if cursor else ": still here\n\n"
    finally:
        _streams -= 1
