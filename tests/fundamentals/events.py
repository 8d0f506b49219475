"""An event, its senders and the handlers of one project. Another's are in events_elsewhere."""

import upnext_django as upnext

worker = upnext.Worker("shop")
placed = worker.event("order.placed")
booked = upnext.event("order.booked")


@placed.on
async def confirm(order_id: str) -> str:
    return f"confirmed {order_id}"


@placed.on(retries=1, retry_delay=0.05)
def audit(**data: object) -> list[str]:
    if upnext.get_current_context().attempt == 1 and "fail" in data:
        raise ValueError("not yet")
    return sorted(data)


@placed.on(name="Booking")
async def book(ctx: upnext.Context, order_id: str) -> list[str]:
    futures = await booked.send(order_id=order_id, parent=ctx.job_id, root=ctx.root_id)
    return [await future.value() for future in futures]


@worker.task
async def sell(order_id: str) -> list[object]:
    return [await future.value() for future in await placed.send(order_id=order_id)]


@worker.task
def sell_in_sync_code(order_id: str) -> list[object]:
    return upnext.gather_sync(placed.send_sync(order_id=order_id))
