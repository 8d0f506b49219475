"""Crons of every second, for the tick storm."""

from __future__ import annotations

import upnext_django as upnext

__all__ = ["CRONS", "row", "worker"]

#: So many in code; the test adds as many rows.
CRONS = 25

worker = upnext.Worker("schedules", concurrency=50)


@worker.task
async def row(number: int) -> None: ...


def _declare(number: int) -> None:
    async def cron() -> None: ...

    cron.__qualname__ = cron.__name__ = f"cron_{number}"
    worker.cron("* * * * * *", missed_run_policy=upnext.MissedRunPolicy.CATCH_UP)(cron)


for _number in range(CRONS):
    _declare(_number)
