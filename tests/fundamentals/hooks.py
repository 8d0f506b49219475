"""Tasks whose hooks print what they were called with."""

import asyncio
import time
import types
from typing import Any

import upnext_django as upnext

worker = upnext.Worker("hooks")
crunching = upnext.Worker("hooks-crunching", sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=1)


def say(what: str) -> None:
    print(f"[{what}]\n", end="", flush=True)  # one write: others print at the same time


@worker.task(
    retries=1,
    retry_delay=0.01,
    on_start=lambda: say("start"),
    on_success=lambda: say("success"),
    on_failure=lambda: say("failure"),
    on_retry=lambda: say("retry"),
    on_complete=lambda: say("complete"),
)
def fails_at_first(always: bool) -> str:
    if always or upnext.get_current_context().attempt == 1:
        raise ValueError("not yet")
    return "done"


async def tell_job(ctx: upnext.Context) -> None:
    say(f"hook of {ctx.job_id}")


@worker.task(on_success=tell_job)
async def with_context() -> None: ...


def broken_hook() -> None:
    raise RuntimeError("this hook is broken")


@worker.task(on_start=broken_hook, on_success=broken_hook, on_complete=broken_hook)
async def with_broken_hooks() -> str:
    return "fine"


def hooked(kind: str) -> dict[str, Any]:
    """Return all five hooks, sync or async, with the Context or without."""

    def plain(name: str) -> Any:
        return lambda: say(name)

    def with_ctx(name: str) -> Any:
        return lambda ctx: say(f"{name} {ctx.job_id}")

    def in_loop(name: str) -> Any:
        async def hook() -> None:
            await asyncio.sleep(0)
            say(name)

        return hook

    def in_loop_with_ctx(name: str) -> Any:
        async def hook(context: upnext.Context) -> None:
            await asyncio.sleep(0)
            assert context == upnext.get_current_context()
            say(f"{name} {context.job_id}")

        return hook

    make = {"plain": plain, "ctx": with_ctx, "async": in_loop, "async ctx": in_loop_with_ctx}[kind]
    return {f"on_{name}": make(name) for name in ("start", "success", "failure", "retry", "complete")}


async def body_in_loop(how: str) -> None:
    if how == "fail":
        raise ValueError("no")
    if how == "hang":
        await asyncio.sleep(60)


def body(how: str) -> None:
    if how == "fail":
        raise ValueError("no")
    while how == "hang" and not upnext.get_current_context().is_cancelled:
        time.sleep(0.01)


KINDS = ("plain", "ctx", "async", "async ctx")
WHERE = ("loop", "thread", "process")
TASKS: dict[tuple[str, str], upnext.TaskHandle[[str], None]] = {}
for kind in KINDS:
    for where in WHERE:
        # A name of its own for each: that is what a worker knows it by.
        run = types.FunctionType((body_in_loop if where == "loop" else body).__code__, globals())
        run.__annotations__ = {"how": str}
        run.__qualname__ = f"{where}_{kind.replace(' ', '_')}"
        on = crunching if where == "process" else worker
        TASKS[kind, where] = on.task(retry_delay=0.01, **hooked(kind))(run)

arrived = worker.event("hooks.arrived")


@arrived.on(on_start=lambda: say("event start"), on_complete=lambda ctx: say(f"event end {ctx.job_id}"))
def on_arrival() -> None: ...


@worker.cron("* * * * * *", on_success=lambda: say("cron success"), on_complete=lambda: say("cron end"))
async def every_second() -> None: ...
