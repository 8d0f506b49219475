"""What runs by itself."""

from __future__ import annotations

import upnext_django as upnext

worker = upnext.Worker("clock")


@worker.cron("* * * * * *")
async def every_second() -> None:
    print("[every second]", flush=True)


@worker.cron("0 9 * * *", timezone="Europe/Berlin")
async def daily_report() -> dict[str, bool]:
    return {"generated": True}


@worker.task
async def remind(who: str) -> None:
    print(f"[remember, {who}]", flush=True)
