"""The shop's background work.

``step``, ``segment`` and ``flow`` make the three-level tree of the workflow guide.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

import upnext_django as upnext
from example_project.shop.models import Order, OrderLine, Product

__all__ = ["always_fails", "flaky", "flow", "recount_sales", "segment", "send_receipt", "step", "worker"]

worker = upnext.Worker("shop", concurrency=8)


@worker.task(retries=2, timeout=30.0)
def send_receipt(order_id: int) -> dict[str, Any]:
    """Write the receipt of an order, once, however often the job is delivered.

    A sync task that uses the ORM. A real shop would hand the text to its mail server here.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        if order.receipt_at is None:
            lines = [f"{line}: {line.total}" for line in order.lines.select_related("product")]
            order.receipt = "\n".join([*lines, f"Total: {order.total}"])
            order.receipt_at = timezone.now()
            order.save(update_fields=["receipt", "receipt_at"])
    return {"order": order.pk, "total": str(order.total)}


@worker.task(timeout=30.0)
async def recount_sales(product_id: int) -> int:
    """Count how many of a product were ordered and store the sum; an async task that uses the ORM.

    It counts from the start each time, so that running twice does no harm.
    """
    sums = await OrderLine.objects.filter(product_id=product_id).aaggregate(sold=Sum("quantity"))
    sold = sums["sold"] or 0
    await Product.objects.filter(pk=product_id).aupdate(sold=sold)
    return sold


async def work_a_moment() -> None:
    """Take the 0.2 s that a real step would: without them the tree is done before you can watch it."""
    await asyncio.sleep(0.2)


@worker.task(on_start=work_a_moment)
async def step(segment: int, step: int) -> dict[str, int]:
    """Do one step: the leaf of the tree."""
    ctx = upnext.get_current_context()
    ctx.set_progress(100, f"Segment {segment}, step {step} done")
    return {"segment": segment, "step": step}


@worker.task
async def segment(segment: int, steps: int = 3) -> dict[str, Any]:
    """Do the steps of one segment, one after the other."""
    ctx = upnext.get_current_context()
    completed = []

    for i in range(1, steps + 1):
        ctx.set_progress(i / steps * 100, f"Step {i}/{steps}")
        result = await step.wait(segment=segment, step=i)
        completed.append(result.value)

    return {"segment": segment, "steps": completed}


@worker.task
async def flow(segments: int = 3) -> dict[str, Any]:
    """Do all segments, one after the other: the root of the tree."""
    ctx = upnext.get_current_context()
    results = []

    for i in range(1, segments + 1):
        ctx.set_progress(i / segments * 100, f"Segment {i}/{segments}")
        result = await segment.wait(segment=i)
        results.append(result.value)

    return {"segments": results}


@worker.task(retries=2, retry_delay=0.3, retry_backoff=1.0)
def flaky() -> str:
    """Fail twice and succeed on the third attempt, as a service that is restarting does."""
    attempt = upnext.get_current_context().attempt
    if attempt < 3:
        raise ConnectionError(f"the payment service is restarting (attempt {attempt})")
    return f"paid on attempt {attempt}"


@worker.task(retries=1, retry_delay=0.3)
def always_fails(amount: int = 0) -> str:
    """Fail on every attempt, and so become a dead letter, unless somebody corrects the amount."""
    if amount <= 0:
        raise ValueError(f"the bank refuses an amount of {amount}; it must be above 0")
    return f"{amount} charged"
