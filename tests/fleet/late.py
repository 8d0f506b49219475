"""A task of the queue "quick" that only some worker processes know."""

from __future__ import annotations

import upnext_django as upnext

late = upnext.Worker("late", queue="quick")


@late.task
async def greet(name: str) -> str:
    return f"hello {name}"
