"""Tasks whose results are cached over the whole cluster."""

from __future__ import annotations

import asyncio

import upnext_django as upnext
from tests.fleet.ledger import note, pass_gate, said

cached = upnext.Worker("cached", concurrency=6)


@cached.task(cache_key="{key}", cache_ttl=600)
async def compute(key: str) -> str:
    note(f"begun-{key}")
    await pass_gate(key)
    return f"value of {key}"


@cached.task(cache_key="{key}", cache_ttl=0.05)
async def compute_briefly(key: int, ms: float) -> int:
    note("ran")
    await asyncio.sleep(ms / 1000)
    return key


@cached.task(cache_key="{key}", cache_ttl=600)
async def succeed_at_last(key: str, failures: int) -> str:
    note("tried")
    await asyncio.sleep(0.01)
    if said().count("tried") <= failures:
        raise ValueError("not yet")
    return key
