"""Tasks in aioq's words, beyond those of its guide."""

from __future__ import annotations

from typing import Any

from upnext_django.contrib.aioq import Aioq
from upnext_django.contrib.aioq.backends import RedisBroker

broker = RedisBroker()
app = Aioq(broker=broker, dashboard_enabled=False)


@app.task(queue="email", save_result=True, priority=10)
async def add(context: dict[str, Any], a: int, b: int = 1) -> int:
    return a + b


@app.task(retries=1, retry_delay=0.0, save_result=True)
def is_retried(ctx: dict[str, Any]) -> None:
    raise ValueError("at every attempt")


@app.task(save_result=True)
async def keeps_its_context(ctx: dict[str, Any]) -> dict[str, str]:
    ctx["mine"] = "kept"
    return {name: str(value) for name, value in ctx.items() if name != "broker"}


@app.task(queue="held")
async def held(ctx: dict[str, Any], number: int) -> None: ...


@app.task(retries=3, retry_delay=2.0, retry_backoff=True, retry_backoff_max=300, timeout=30)
async def backs_off(ctx: dict[str, Any]) -> None: ...


@app.cron("0 3 * * *", queue="nightly", name="cleaning")
async def clean(ctx: dict[str, Any]) -> None: ...
