"""How long somebody waits for all that is asked of Redis, beside the bound of each single call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from redis import exceptions as failures

__all__ = ["left_s", "patience"]

_ends_at: ContextVar[float | None] = ContextVar("upnext_patience", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let the blocking calls inside take ``seconds`` together; what is asked after that is refused at once.

    A page asks thirty times: of a server that needs a second for each answer it would show nothing for half
    a minute. Inside of another one the shorter holds.
    """
    ends_at, outer = time.monotonic() + seconds, _ends_at.get()
    token = _ends_at.set(ends_at if outer is None else min(ends_at, outer))
    try:
        yield
    finally:
        _ends_at.reset(token)


def left_s() -> float | None:
    """Return the seconds that are left, None without a bound. Raises the client's TimeoutError after them."""
    ends_at = _ends_at.get()
    if ends_at is None:
        return None
    left = ends_at - time.monotonic()
    if left <= 0:
        raise failures.TimeoutError("it took longer than a page waits for all its answers")
    return left
