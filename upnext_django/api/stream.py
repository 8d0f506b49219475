"""What happens to jobs, as server-sent events."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing
from typing import Annotated

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Header, Query, Router

from upnext_django import conf
from upnext_django.api.auth import caller
from upnext_django.api.endpoint import endpoint
from upnext_django.api.params import Name
from upnext_django.api.problems import ProblemError, wrong
from upnext_django.api.visible import all_rows
from upnext_django.core.lifecycle import Move
from upnext_django.models import JobRecord
from upnext_django.operations.happenings.following import Allowed, follow
from upnext_django.operations.happenings.happening import Position, position_of
from upnext_django.operations.happenings.wanted import Wanted
from upnext_django.operations.sse import COME_BACK_MS, can_stream, stream

__all__ = ["MOST_OF_ONE", "router"]

router = Router(tags=["events"])

#: Streams of one caller in this process.
MOST_OF_ONE = 20

_STREAM = {
    200: {
        "description": "The stream. Each event's name is the move, its data a JobEvent as JSON, its id what "
        "Last-Event-ID takes.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
_open: Counter[str] = Counter()
# A collection may release a place while this thread takes one.
_lock = threading.RLock()

_MOST_NAMES = 100


@endpoint(
    router,
    "GET",
    "/events/stream",
    needs="view_jobrecord",
    answer=None,
    refuses=(501, 503),
    extra={"responses": _STREAM},
)
def stream_events(
    request: HttpRequest,
    job_id: Annotated[list[Name], Query(max_length=_MOST_NAMES, description="Of these jobs.")] = [],  # noqa: B006
    root_id: Annotated[
        list[Name], Query(max_length=_MOST_NAMES, description="Of these jobs and all below them.")
    ] = [],  # noqa: B006
    function: Annotated[
        list[Name], Query(max_length=_MOST_NAMES, description="Of these functions, by identity.")
    ] = [],  # noqa: B006
    event: Annotated[list[Move], Query(max_length=len(Move), description="These moves.")] = [],  # noqa: B006
    after: Annotated[
        str | None,
        Query(max_length=64, description="As Last-Event-ID; `0-0` begins as far back as there is anything."),
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=64, description="Go on after the event with this id."),
    ] = None,
) -> StreamingHttpResponse:
    """Follow what happens to jobs, as server-sent events.

    The data of each is a `JobEvent` as JSON. It begins now, or after an event that the client has;
    nothing in between is left out, and where older events are no longer kept (about 100,000 are) it begins
    with the event `missed`. It ends after ten minutes, and the client comes back, as browsers do by
    themselves. One caller has at most 20 of them in a process, the next is a 429. Under WSGI, where each
    would hold a thread, it is a 501.
    """
    if not can_stream(request):
        raise ProblemError(
            501,
            "This server speaks WSGI and cannot stream; serve the site by ASGI, or ask GET /jobs/{id} again.",
        )
    if not conf.get().history:
        raise ProblemError(501, "UPNEXT['HISTORY'] is False: without it no events are told.")
    wanted = Wanted(
        job_ids=frozenset(job_id),
        root_ids=frozenset(root_id),
        functions=frozenset(function),
        moves=frozenset(event),
    )
    last = _position(last_event_id, "header.Last-Event-ID") or _position(after, "query.after")
    if request.method == "HEAD":
        return stream(_no_lines())
    return stream(_lines(Place(caller(request).key), wanted, last, _rule(request)))


class Place:
    """One of a caller's streams. Raises ProblemError with 429 where there are too many.

    It is given back once: by release(), or when nobody has it any more, as where a client is gone before its
    stream has begun.
    """

    def __init__(self, key: str) -> None:
        self._key: str | None = None
        with _lock:
            if _open[key] >= MOST_OF_ONE:
                raise ProblemError(
                    429,
                    f"There are {MOST_OF_ONE} streams of this caller already; close one.",
                    retry_after=COME_BACK_MS / 1000,
                )
            _open[key] += 1
            self._key = key

    def release(self) -> None:
        """Give it back."""
        with _lock:
            key, self._key = self._key, None
            if key is not None:
                _open[key] -= 1
                if not _open[key]:
                    del _open[key]

    __del__ = release


async def _no_lines() -> AsyncIterator[bytes]:
    return
    yield b""


async def _lines(
    place: Place, wanted: Wanted, last: Position | None, allowed: Allowed | None
) -> AsyncIterator[bytes]:
    """Yield the lines; a disconnect cancels it."""
    try:
        # The request has looked at token and user; its connection would be held for as long as the stream.
        await sync_to_async(connections.close_all)()
        async with aclosing(follow(wanted, last=last, allowed=allowed)) as found:
            async for lines in found:
                yield lines
    finally:
        place.release()


def _rule(request: HttpRequest) -> Allowed | None:
    """Return which jobs the caller may see, None for all of them."""
    if conf.get().admin_queryset is None:
        return None

    def seen(job_ids: Collection[str]) -> Collection[str]:
        return set(all_rows(request, JobRecord).filter(pk__in=job_ids).values_list("pk", flat=True))

    return seen


def _position(text: str | None, field: str) -> Position | None:
    if text is None:
        return None
    try:
        return position_of(text)
    except ValueError as error:
        raise wrong(field, str(error)) from None
