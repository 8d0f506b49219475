"""What an editor says about declared tasks; mypy checks it (tests/typing/test_types.py runs it)."""

from typing import Any, assert_type

import upnext_django as upnext

worker = upnext.Worker("w")


@worker.task
async def process(order_id: str, items: list[str]) -> dict[str, int]:
    return {order_id: len(items)}


@worker.task(retries=3, timeout=30.0)
def count(data: list[str], *, scale: int = 1) -> int:
    return len(data) * scale


@upnext.task
async def with_ctx(ctx: upnext.Context, n: int) -> str:
    return str(n)


@upnext.task(queue="x")
def with_context(job: upnext.Context, n: int) -> float:
    return float(n)


placed = worker.event("order.placed")


@placed.on
async def confirm(order_id: str) -> bool:
    return bool(order_id)


@placed.on(retries=3)
def book(ctx: upnext.Context, order_id: str) -> int:
    return len(order_id)


async def in_handlers() -> None:
    assert_type(await placed.send(order_id="1"), list[upnext.Future[Any]])
    assert_type(await confirm.send("1"), list[upnext.Future[Any]])
    assert_type(book.send_sync(order_id="1"), list[upnext.Future[Any]])
    assert_type(await confirm("1"), bool)
    assert_type(await book.submit("1").value(), int)
    await confirm.send(1)  # type: ignore[arg-type]
    await confirm.send_idempotent("key")  # type: ignore[call-arg]


@worker.cron("0 9 * * *", retries=1, missed_run_policy=upnext.MissedRunPolicy.SKIP)
async def nightly(limit: int = 5) -> int:
    return limit


@upnext.cron("@hourly")
def hourly(ctx: upnext.Context) -> str:
    return "done"


async def in_async_code() -> None:
    assert_type(await nightly.submit(limit=1), upnext.Future[int])
    assert_type((await hourly.wait()).value, str)
    future = await process.submit("1", items=["a"])
    assert_type(future, upnext.Future[dict[str, int]])
    assert_type(await future.value(), dict[str, int])
    assert_type((await process.wait(order_id="1", items=[])).value, dict[str, int])
    assert_type(await process("1", []), dict[str, int])
    assert_type(count(["a"], scale=2), int)
    assert_type(await process.options(delay=5).submit("1", []), upnext.Future[dict[str, int]])
    assert_type(await with_ctx.submit(1), upnext.Future[str])
    assert_type(await with_context.submit(n=1), upnext.Future[float])
    assert_type(await count.enqueue(["a"]), upnext.Job)

    assert_type(await upnext.gather(count.submit([]), count.submit([])), list[int])
    assert_type(await upnext.gather(count.wait([])), list[upnext.TaskResult[int]])
    assert_type(await upnext.gather(count.wait([]) for _ in range(2)), list[upnext.TaskResult[int]])
    assert_type(await upnext.gather([count.submit([])]), list[int])
    assert_type(await upnext.gather(count.submit([]), return_exceptions=True), list[int | BaseException])
    assert_type(await upnext.map_tasks(count, [{"data": []}]), list[int])
    assert_type(await upnext.first_completed(count.wait([]), count.wait([])), upnext.TaskResult[int])
    futures = await upnext.submit_many(count, [([],)])
    assert_type(futures[0], upnext.Future[int])
    assert_type(await upnext.gather(futures), list[int])


def in_sync_code() -> None:
    assert_type(count.submit([]).value_sync(), int)
    assert_type(count.wait_sync([]), upnext.TaskResult[int])
    assert_type(upnext.submit_many(count, [([],)])[0].job_id, str)
    assert_type(upnext.gather_sync(count.submit([])), list[int])
    assert_type(upnext.map_tasks_sync(count, [([],)]), list[int])
    assert_type(upnext.first_completed_sync([count.submit([])]), int)


def wrong_calls() -> None:
    process.submit(1, [])  # type: ignore[arg-type]
    process.submit("1")  # type: ignore[call-arg]
    process.wait("1", [], nothing=1)  # type: ignore[call-arg]
    with_ctx.submit()  # type: ignore[call-arg]
    with_ctx.submit("1")  # type: ignore[arg-type]
    count.options(retry=1)  # type: ignore[call-arg]
    worker.task(retrys=1)  # type: ignore[call-overload]
