"""What a caller hears when the server answers with an error."""

from __future__ import annotations

import asyncio

import pytest

from tests.broker.lab import Lab, new_job
from upnext_django.broker.broker import Broker
from upnext_django.exceptions import RedisUnavailable


def test_an_async_submit_that_the_server_refuses_raises(lab: Lab, broker: Broker):
    """Out of memory, say: only being away was expected, so the batch died and its callers waited for ever."""
    lab.run(b"SET", lab.keys.events, b"no stream")

    async def submit() -> None:
        async with asyncio.timeout(5):
            await broker.submit_soon(new_job())

    with pytest.raises(RedisUnavailable, match=r"WRONGTYPE.*nothing was queued"):
        asyncio.run(submit())

    lab.run(b"DEL", lab.keys.events)


def test_a_sync_submit_that_the_server_refuses_raises(lab: Lab, broker: Broker):
    lab.run(b"SET", lab.keys.events, b"no stream")

    with pytest.raises(RedisUnavailable, match=r"WRONGTYPE.*nothing was queued"):
        broker.submit_sync([new_job()])

    lab.run(b"DEL", lab.keys.events)
