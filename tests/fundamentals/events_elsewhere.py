"""The handlers of a project whose code the senders do not have."""

import upnext_django as upnext

worker = upnext.Worker("warehouse")


@worker.event("order.placed").on
async def reserve(order_id: str, shelf: int = 7) -> dict[str, object]:
    context = upnext.get_current_context()
    return {"reserved": order_id, "shelf": shelf, "is_child": context.parent_id is not None}


@worker.event("order.booked").on
def post(order_id: str, parent: str, root: str) -> bool:
    context = upnext.get_current_context()
    return (context.parent_id, context.root_id) == (parent, root)


@worker.event("order.shipped").on
def tell(order_id: str, carrier: str) -> str:
    return f"{order_id} by {carrier}"
