"""DATABASES entries from one line of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["from_url", "sqlite"]

# Worker, web process and mirror write to the file at the same time. WAL lets readers go on while
# one writes; IMMEDIATE takes the write lock at BEGIN, where SQLite waits for it up to `timeout`
# seconds. A transaction that asks for it halfway fails at once with "database is locked".
_SQLITE_OPTIONS = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}


def sqlite(path: Path) -> dict[str, Any]:
    """Return the entry of an SQLite file that several processes write to.

    Tests use a file too, ``test_`` and the name beside it: a database in memory has no WAL, and a
    worker in another thread would meet its table locks.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": dict(_SQLITE_OPTIONS),
        "TEST": {"NAME": str(path.with_name(f"test_{path.name}"))},
    }


def from_url(url: str) -> dict[str, Any]:
    """Return the entry that ``url`` names.

    ``url`` is a path, ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
    ``postgres://user:password@host:port/name?sslmode=require``; what follows the question mark goes
    to the driver. Raises ValueError for another scheme, or a server without a database name.
    """
    if "://" not in url:
        return sqlite(Path(url))
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite(Path(unquote(parts.path.removeprefix("/"))))
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(
            f"Database URL with scheme {parts.scheme!r}: the example knows sqlite:///path and "
            "postgres://user:password@host:port/name."
        )
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ValueError("The database URL names no database; end it with /name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }
