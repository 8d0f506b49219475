"""A Redis URL as connection settings, and as text without its password."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio.connection as async_connection
from redis import connection as sync_connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

__all__ = ["async_settings", "mask", "sync_settings"]

# The library's own retry sleeps between attempts (4 s with Redis down) and repeats blindly; ours
# knows what is safe. Its defaults of a 5 s read timeout and RESP3 push frames suit neither
# blocking reads nor a held connection.
_COMMON: dict[str, Any] = {"protocol": 2, "health_check_interval": 0}


def sync_settings(
    url: str, *, connect_timeout_s: float, timeout_s: float | None
) -> tuple[Any, dict[str, Any]]:
    """Return the connection class for ``url`` and its keyword arguments."""
    settings: dict[str, Any] = sync_connection.parse_url(url)  # type: ignore[no-untyped-call]
    cls = settings.pop("connection_class", sync_connection.Connection)
    settings.update(_COMMON, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0))
    if cls is not sync_connection.UnixDomainSocketConnection:
        settings.update(socket_connect_timeout=connect_timeout_s, socket_keepalive=True)
    return cls, settings


def async_settings(url: str, *, connect_timeout_s: float) -> tuple[Any, dict[str, Any]]:
    """See sync_settings(). Reads have no timeout of their own: the caller sets a deadline."""
    settings: dict[str, Any] = dict(async_connection.parse_url(url))
    cls = settings.pop("connection_class", async_connection.Connection)
    settings.update(_COMMON, socket_timeout=None, retry=AsyncRetry(NoBackoff(), 0))
    settings.update(socket_connect_timeout=connect_timeout_s)
    if cls is not async_connection.UnixDomainSocketConnection:
        settings.update(socket_keepalive=True)
    return cls, settings


def mask(url: str) -> str:
    """Return ``url`` with its password, in the user part or the query, replaced by ``***``."""
    parts = urlsplit(url)
    netloc = parts.netloc
    if parts.password is not None:
        user, _, host = netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}:***@{host}"
    query = "&".join("password=***" if p.startswith("password=") else p for p in parts.query.split("&") if p)
    masked = urlunsplit((parts.scheme, netloc, parts.path, query, ""))
    return masked if netloc else masked.replace(":/", ":///", 1)
