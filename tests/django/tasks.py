"""Tasks of the tests beside this file."""

from __future__ import annotations

import logging
from typing import Any

import upnext_django as upnext

__all__ = ["charge", "logs", "parent", "reports", "worker"]

worker = upnext.Worker("django-tests", concurrency=4)
logger = logging.getLogger("shop.payments")


@worker.task
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@worker.task(retries=1, retry_delay=0.01)
def fails_at_first(order: int) -> dict[str, Any]:
    if upnext.get_current_context().attempt == 1:
        raise ConnectionError(f"no answer about {order}")
    return {"order": order}


@worker.task
def fails() -> None:
    raise ValueError("never")


@worker.task
def divide(x: int, by: int) -> float:
    return x / by


@worker.task
async def above() -> str:
    return divide.submit(8, by=0).job_id


@worker.task
def logs() -> None:
    logger.warning("the card of %s was declined", "ada")
    upnext.get_current_context().send_log("INFO", "asked the bank", bank="b1", tries=3)


@worker.task
async def reports() -> None:
    ctx = upnext.get_current_context()
    ctx.set_progress(40, "nearly half")
    ctx.checkpoint({"page": 4})


@worker.task
async def parent() -> str:
    return (await child.wait()).value


@worker.task
async def child() -> str:
    return upnext.get_current_context().job_id


@worker.task(sensitive=["card"])
async def charge(order: int, card: str) -> int:
    return order


@worker.task(result_ttl=90)
async def short_lived(x: int) -> int:
    return 2 * x


@worker.task(cache_key="{order}")
async def looked_up(order: int) -> dict[str, int]:
    return {"order": order}
