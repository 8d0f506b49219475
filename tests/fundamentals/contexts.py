"""Tasks that look at their context."""

import logging
from typing import Any

import upnext_django as upnext

worker = upnext.Worker("contexts")
crunching = upnext.Worker("contexts-crunching", sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=1)
logger = logging.getLogger("shop.receipts")


def everything() -> dict[str, Any]:
    ctx = upnext.get_current_context()
    ctx.set_progress(250, "more than all")
    return {
        "job_id": ctx.job_id,
        "parent_id": ctx.parent_id,
        "root_id": ctx.root_id,
        "attempt": ctx.attempt,
        "max_attempts": ctx.max_attempts,
        "function": ctx.function,
        "function_name": ctx.function_name,
        "worker_id": ctx.worker_id,
        "is_cancelled": ctx.is_cancelled,
        "meta": dict(ctx.meta),
    }


@worker.task(name="Look around", retries=2)
async def look_async() -> dict[str, Any]:
    return everything()


@worker.task(name="Look around", retries=2)
def look_sync() -> dict[str, Any]:
    return everything()


@crunching.task(name="Look around", retries=2)
def look_in_process() -> dict[str, Any]:
    return everything()


@worker.task
async def with_ctx(ctx, message: str) -> dict[str, Any]:
    job = await ctx["broker"].get_job(ctx["job_id"])
    return {
        "message": message.upper(),
        "same": ctx["job_id"] == ctx.job_id == upnext.get_current_context().job_id,
        "worker_id": ctx["worker_id"] == ctx.worker_id,
        "status": job.status,
    }


@worker.task
def with_annotated(context: upnext.Context, message: str) -> list[str]:
    return [context.job_id, message]


@worker.task(retries=2, retry_delay=0.01)
def goes_on() -> list[Any]:
    return go_on()


def go_on() -> list[Any]:
    ctx = upnext.get_current_context()
    seen = ctx.last_checkpoint
    if ctx.attempt < 3:
        ctx.checkpoint({"done": ctx.attempt, "before": seen})
        raise ConnectionError("cut off")
    return [seen, ctx.attempt]


@crunching.task(retries=2, retry_delay=0.01)
def goes_on_in_process() -> list[Any]:
    return go_on()


@worker.task
async def reports() -> None:
    ctx = upnext.get_current_context()
    for percent in range(100):
        ctx.set_progress(percent, f"{percent} of 100")
    ctx.set_progress(-5, "back to nothing")


@worker.task
async def child(of: str) -> list[str | None]:
    ctx = upnext.get_current_context()
    return [ctx.parent_id, ctx.root_id]


@worker.task
def sync_parent() -> dict[str, Any]:
    return {
        "submitted": child.submit("thread").value_sync(),
        "waited": child.wait_sync("thread").value,
        "many": upnext.gather_sync(upnext.submit_many(child, [{"of": "thread"}])),
    }


@worker.task
async def async_parent() -> dict[str, Any]:
    return {
        "submitted": await child.submit("loop").value(),
        "waited": (await child.wait("loop")).value,
        "many": await upnext.gather(await upnext.submit_many(child, [{"of": "loop"}])),
    }
