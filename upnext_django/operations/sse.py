"""Server-sent events over HTTP: what admin and API share of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

__all__ = ["COME_BACK_MS", "LASTS_S", "SILENCE_S", "can_stream", "stream"]

#: A stream ends after so long, so that who may no longer see it does not go on seeing it.
LASTS_S: Final = 600.0
#: After so much silence a comment says that the connection lives.
SILENCE_S: Final = 15.0
COME_BACK_MS: Final = 3_000


def can_stream(request: HttpRequest | None) -> bool:
    """Return whether the server of this request can send a stream: under WSGI it would hold a thread."""
    return isinstance(request, ASGIRequest)


def stream(lines: AsyncIterator[str] | AsyncIterator[bytes]) -> StreamingHttpResponse:
    """Return the response of a stream that nothing on the way holds back."""
    response = StreamingHttpResponse(lines, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    # Else Django's GZipMiddleware compresses it, and holds back what it has not enough of.
    response["Content-Encoding"] = "identity"
    return response
