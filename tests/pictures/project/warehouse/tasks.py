"""The work of a warehouse: some of it succeeds, some fails, some waits."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import time

import upnext_django as upnext

__all__ = [
    "build_report",
    "charge_card",
    "clean_up",
    "import_catalog",
    "notify",
    "resize_image",
    "sync_stock",
]

logger = logging.getLogger("warehouse")
worker = upnext.Worker("web", concurrency=8)
mailer = upnext.Worker("mail", concurrency=4)
reports = upnext.Worker("reports", concurrency=2)

_CSV = "day,orders,revenue\n2026-11-23,118,4310.20\n2026-11-24,131,4922.75\n2026-11-25,97,3655.00\n"


@worker.task(retries=2, retry_delay=0.4, timeout=30.0)
def charge_card(order_id: int, amount: float = 0.0) -> dict[str, object]:
    """Charge the card of an order."""
    attempt = upnext.get_current_context().attempt
    logger.info("Charging order %s, attempt %s", order_id, attempt)
    time.sleep(0.05)
    if order_id % 7 == 0:
        logger.warning("The payment service does not answer")
        raise ConnectionError(f"the payment service at 10.0.0.{order_id % 250} does not answer")
    return {"order": order_id, "charged": amount}


@worker.task
async def resize_image(page: int, image: int) -> str:
    """Make the small picture of a product."""
    await asyncio.sleep(0.15 + 0.07 * image)
    return f"page-{page}/{image}.webp"


@worker.task(retries=1, retry_delay=0.3)
async def import_page(page: int) -> list[str]:
    """Import one page of a catalog, and its images."""
    ctx = upnext.get_current_context()
    ctx.set_progress(20, "Read the page")
    if page == 4:
        await asyncio.sleep(0.2)
        raise ValueError("page 4 has a price that is no number: 'on request'")
    made = await upnext.gather(*(resize_image.submit(page, image) for image in range(1, 4)))
    ctx.set_progress(100, "Done")
    return list(made)


@worker.task(timeout=120.0)
async def import_catalog(supplier: str, pages: int = 6) -> dict[str, int]:
    """Import the catalog of a supplier, page by page."""
    ctx = upnext.get_current_context()
    ctx.checkpoint({"supplier": supplier, "page": 1})
    first = await upnext.gather(*(import_page.submit(page) for page in (1, 2, 3)))
    ctx.set_progress(50, "Half of the pages")
    rest = await upnext.gather(
        *(import_page.submit(page) for page in range(4, pages + 1)), return_exceptions=True
    )
    ctx.send_log("INFO", "All pages were tried", supplier=supplier, pages=pages)
    return {"pages": len(first) + len(rest)}


@mailer.task(rate_limit="20/minute")
async def notify(customer: int, text: str = "Your order is on its way") -> None:
    """Tell a customer."""
    await asyncio.sleep(0.05)


@mailer.task
async def send_receipt(order_id: int) -> None:
    """Send the receipt of an order."""
    await asyncio.sleep(0.03)


@worker.task(max_concurrency=2)
async def sync_stock(shelf: str) -> int:
    """Count a shelf; this one takes its time."""
    ctx = upnext.get_current_context()
    for percent in range(5, 100, 5):
        ctx.set_progress(percent, f"Counting shelf {shelf}")
        await asyncio.sleep(10)
    return 100


@reports.task(retries=1)
def build_report(day: str, sections: int = 3) -> dict[str, object]:
    """Build the report of a day: a table, and a chart."""
    ctx = upnext.get_current_context()
    ctx.create_artifact_sync("report.csv", _CSV, upnext.ArtifactType.CSV)
    chart = base64.b64decode(os.environ["WAREHOUSE_CHART"])
    ctx.create_artifact_sync("revenue.png", chart, upnext.ArtifactType.PNG)
    ctx.send_log("INFO", "The report is built", day=day, sections=sections)
    ctx.set_progress(100, "Written")
    return {"day": day, "sections": sections}


@reports.cron("*/15 * * * *", timeout=60.0)
async def clean_up() -> int:
    """Delete carts that nobody came back for."""
    return 12
