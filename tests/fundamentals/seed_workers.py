"""The code of the workers guide, as its readers copy it."""

import upnext_django as upnext

worker = upnext.Worker("my-worker", concurrency=10)


@worker.task(retries=3, timeout=30.0)
async def process_order(order_id: str, items: list[str]) -> dict:
    return {"order_id": order_id, "status": "completed"}


@worker.cron("0 9 * * *")
async def daily_report():
    return {"generated": True}


order_placed = worker.event("order.placed")


@order_placed.on
async def send_confirmation(order_id: str):
    return {"sent": True}
