"""What the schedules of these tests run; the output of the worker tells of it."""

from __future__ import annotations

from datetime import date

import upnext_django as upnext

__all__ = ["capped", "charge", "nightly", "note", "second", "worker"]

worker = upnext.Worker("schedules", concurrency=20)


@worker.task
async def note(word: str, times: int = 1) -> None:
    print(f"[{word * times}]", flush=True)


@worker.cron("0 3 * * *", timezone="Europe/Berlin")
async def nightly() -> None:
    print("[nightly]", flush=True)


@worker.cron("* * * * * *", missed_run_policy=upnext.MissedRunPolicy.CATCH_UP)
async def second() -> None:
    print("[second]", flush=True)


@worker.task(max_concurrency=1)
async def capped(day: date | None = None) -> None: ...


@worker.task(sensitive=["card"])
async def charge(order: int, card: str = "none") -> None: ...
