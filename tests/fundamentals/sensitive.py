"""A task with a sensitive argument, and one that tells it to everybody."""

import logging

import upnext_django as upnext

worker = upnext.Worker("sensitive")


@worker.task(sensitive=["card"])
async def charge(order_id: int, card: str) -> str:
    return card[-4:]


@worker.task(sensitive=["card"])
def decline(order_id: int, card: str) -> None:
    logging.getLogger("shop").warning("no money on %s", card)
    raise ValueError(f"the bank refused {card}")


@worker.task(sensitive=["card"], retries=1, retry_delay=0)
async def charge_later(card: str) -> str:
    ctx = upnext.get_current_context()
    if ctx.attempt == 1:
        ctx.checkpoint({"card": card})
        raise ConnectionError("no bank")
    return str(ctx.last_checkpoint["card"][-4:])
