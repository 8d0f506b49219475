"""A task to submit under a key."""

import upnext_django as upnext

worker = upnext.Worker("keys")


@worker.task
async def charge(order_id: int) -> int:
    return order_id
