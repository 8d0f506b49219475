"""Crons: ten of every second, and one of each policy that is due rarely."""

from __future__ import annotations

import upnext_django as upnext
from tests.fleet.ledger import note

storm = upnext.Worker("storm", concurrency=20)
rare = upnext.Worker("rare", concurrency=20)


@storm.cron("* * * * * *")
async def second_0() -> None:
    note("0")


@storm.cron("* * * * * *")
async def second_1() -> None:
    note("1")


@storm.cron("* * * * * *")
async def second_2() -> None:
    note("2")


@storm.cron("* * * * * *")
async def second_3() -> None:
    note("3")


@storm.cron("* * * * * *")
async def second_4() -> None:
    note("4")


@storm.cron("*/1 * * * * *")
def second_5() -> None:
    note("5")


@storm.cron("0-59 * * * * *", timezone="Australia/Lord_Howe")
async def second_6() -> None:
    note("6")


@storm.cron("* * * * * *", timezone="Africa/Casablanca")
async def second_7() -> None:
    note("7")


@storm.cron("* * * * * *", missed_run_policy=upnext.MissedRunPolicy.CATCH_UP)
async def second_8() -> None:
    note("8")


@storm.cron("* * * * * *", missed_run_policy=upnext.MissedRunPolicy.SKIP)
async def second_9() -> None:
    note("9")


@rare.cron("0 * * * *")
async def latest() -> None:
    note("latest")


@rare.cron("0 * * * *", missed_run_policy=upnext.MissedRunPolicy.CATCH_UP, expires=600)
async def catch_up() -> None:
    note("catch_up")


@rare.cron("0 * * * *", missed_run_policy=upnext.MissedRunPolicy.SKIP)
async def skip() -> None:
    note("skip")


@rare.cron("0 * * * *")
async def never_seen() -> None:
    note("never_seen")
