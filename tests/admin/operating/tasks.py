"""A task of this process with a parameter of each kind, for the form that runs it."""

from __future__ import annotations

from datetime import date

import upnext_django as upnext

__all__ = ["bill"]

_worker = upnext.Worker("form")


@_worker.task(retries=2, timeout=30.0)
def bill(
    order: int, note: str = "none", *rest: int, due: date | None = None, rush: bool = False, **more: int
) -> None:
    """Send a bill."""
