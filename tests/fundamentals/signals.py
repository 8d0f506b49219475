"""Tasks, and receivers of signals that print what they hear."""

import asyncio
import signal as system
import time
from typing import Any

from django.dispatch import receiver

import upnext_django as upnext
from upnext_django import signals

worker = upnext.Worker("signals")
crunching = upnext.Worker("signals-crunching", sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=1)

TOLD = {
    "started": signals.job_started,
    "succeeded": signals.job_succeeded,
    "failed": signals.job_failed,
    "retried": signals.job_retried,
    "timed out": signals.job_timed_out,
    "cancelled": signals.job_cancelled,
}
TELLS = ("result", "error", "error_type", "delay")


def say(what: str, sender: Any, context: upnext.Context, facts: dict[str, Any]) -> None:
    told = ", ".join(f"{name}={facts[name]!r}" for name in TELLS if name in facts)
    # One write: others print at the same time.
    print(f"<{context.job_id} {sender.function_name} {what} ({told})>\n", end="", flush=True)


def listen(what: str) -> Any:
    def hear(sender: Any, context: upnext.Context, **facts: Any) -> None:
        say(what, sender, context, facts)

    return hear


for what, signal in TOLD.items():
    signal.connect(listen(what), weak=False)


@receiver(signals.job_succeeded)
async def in_a_loop(sender: Any, context: upnext.Context, **facts: Any) -> None:
    print(f"<{context.job_id} heard by an async receiver>\n", end="", flush=True)


@receiver(signals.job_succeeded)
def broken(sender: Any, **facts: Any) -> None:
    raise LookupError("this receiver is broken")


async def async_body(how: str) -> str:
    if how == "fail":
        raise ValueError("no")
    if how == "retry" and upnext.get_current_context().attempt == 1:
        raise ValueError("not yet")
    if how == "hang":
        await asyncio.sleep(60)
    return how


def sync_body(how: str) -> str:
    if how == "fail":
        raise ValueError("no")
    ctx = upnext.get_current_context()
    if how == "retry" and ctx.attempt == 1:
        raise ValueError("not yet")
    while how == "hang" and not ctx.is_cancelled:
        time.sleep(0.01)
    return how


@worker.task(retry_delay=0.01, retry_jitter=0)
async def in_loop(how: str) -> str:
    return await async_body(how)


@worker.task(retry_delay=0.01, retry_jitter=0)
def in_thread(how: str) -> str:
    return sync_body(how)


@crunching.task(retry_delay=0.01, retry_jitter=0)
def in_process(how: str) -> str:
    return sync_body(how)


@crunching.task(timeout=2)
def never_looks_up() -> None:
    # Deaf to the gentle way: it has to be killed, and its receivers are called in the next process.
    system.pthread_sigmask(system.SIG_BLOCK, {system.SIGUSR2})
    while True:
        pass
