"""Tasks whose submits are rows first."""

import upnext_django as upnext

worker = upnext.Worker("outbox")
placed = worker.event("outbox.placed")


@worker.task
def receipt(order_id: int) -> int:
    return order_id


@placed.on
def handle(order_id: int) -> int:
    return 10 * order_id
