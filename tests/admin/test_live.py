"""The stream that tells an open page of changes, and who is told to ask again instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client, override_settings

from tests.broker.lab import Lab
from tests.waiting import await_until
from upnext_django.connection import get_broker
from upnext_django.operations.changes import AWAY, cursors

URL = "/admin/upnext/overview/changes/"
MOST_STREAMS = 100


@pytest.fixture
def ann(things: Lab) -> User:
    return User.objects.create_superuser("ann")


def move(lab: Lab) -> None:
    """Have the feed tell of something."""
    lab.run(b"XADD", get_broker().names.feed, b"*", b"queue", b"mail")


async def stream(ann: User) -> Any:
    client = AsyncClient()
    await client.aforce_login(ann)
    return await client.get(URL)


async def told(chunks: AsyncIterator[bytes]) -> str:
    """Return the next event."""
    async for chunk in chunks:
        if b"event:" in chunk:
            return chunk.decode()
    raise AssertionError("the stream has ended")


def looks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "upnext-changes"]


def test_under_wsgi_the_page_is_told_to_poll(ann: User) -> None:
    client = Client()
    client.force_login(ann)

    response = client.get(URL)

    assert response.json() == {"live": "poll"}
    assert client.post(URL).status_code == 405


def test_under_wsgi_no_page_offers_a_stream(ann: User) -> None:
    client = Client()
    client.force_login(ann)

    assert "data-stream" not in client.get("/admin/upnext/overview/").content.decode()


async def test_under_asgi_every_page_offers_the_stream(ann: User) -> None:
    client = AsyncClient()
    await client.aforce_login(ann)

    for path in ("overview", "jobrecord", "queue", "workerrecord"):
        response = await client.get(f"/admin/upnext/{path}/")
        assert f'data-stream="{URL}"' in response.content.decode(), path


async def test_a_move_is_told(ann: User, things: Lab) -> None:
    response = await stream(ann)
    async with aclosing(aiter(response)) as chunks:
        first = await asyncio.wait_for(told(chunks), 20)

        move(things)
        second = await asyncio.wait_for(told(chunks), 20)

    assert first.startswith("event: change\ndata: ")
    assert first != second


async def test_nothing_may_hold_a_stream_back(ann: User) -> None:
    response = await stream(ann)

    assert response.headers["content-type"] == "text/event-stream"
    assert "no-cache" in response.headers["cache-control"]
    assert response.headers["x-accel-buffering"] == "no"
    # Django's GZipMiddleware leaves alone what has an encoding.
    assert response.headers["content-encoding"] == "identity"


async def test_streams_of_a_process_share_one_look(ann: User) -> None:
    async with aclosing(aiter(await stream(ann))) as one, aclosing(aiter(await stream(ann))) as other:
        await asyncio.wait_for(asyncio.gather(told(one), told(other)), 20)

        assert looks() == ["upnext-changes"]


async def test_a_disconnect_ends_a_stream(ann: User) -> None:
    chunks = aiter(await stream(ann))
    await asyncio.wait_for(told(chunks), 20)
    waiting = asyncio.create_task(told(chunks))
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await await_until(lambda: not looks(), "nobody looks any more")


async def test_silence_is_told_too(things: Lab) -> None:
    async with aclosing(cursors(silence_s=0.01)) as found:
        cursor = await anext(found)
        while cursor is None:
            cursor = await anext(found)

        assert await anext(found) is None


async def test_a_redis_that_does_not_answer_is_a_change() -> None:
    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1/0"}):
        async with aclosing(cursors(silence_s=20)) as found:
            assert await anext(found) == AWAY


async def test_beyond_a_hundred_streams_a_page_polls(ann: User) -> None:
    streams = [aiter(await stream(ann)) for _ in range(MOST_STREAMS)]
    await asyncio.gather(*(told(chunks) for chunks in streams))
    waiting = [asyncio.create_task(told(chunks)) for chunks in streams]
    await asyncio.sleep(0)

    refused = await stream(ann)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    again = await stream(ann)

    assert refused.json() == {"live": "poll"}
    assert again.headers["content-type"] == "text/event-stream"
