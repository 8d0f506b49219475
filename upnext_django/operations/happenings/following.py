"""One client's way through what happens: from where it was, without a gap, to what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from typing import TypeAlias

from django.db import DatabaseError, InterfaceError

from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations.happenings.happening import Happening, Position, text_of
from upnext_django.operations.happenings.hub import Hub, current_hub
from upnext_django.operations.happenings.wanted import Batch, Wanted
from upnext_django.operations.sse import COME_BACK_MS, LASTS_S, SILENCE_S

__all__ = ["Allowed", "follow"]

#: Returns those of the job ids that may be seen; asks the database.
Allowed: TypeAlias = Callable[[Collection[str]], Collection[str]]

_MISSED = b'event: missed\ndata: {"reason": "older events are no longer kept"}\n\n'


async def follow(
    wanted: Wanted,
    *,
    last: Position | None,
    allowed: Allowed | None = None,
    silence_s: float = SILENCE_S,
    lasts_s: float = LASTS_S,
) -> AsyncGenerator[bytes, None]:
    """Yield the lines of what is wanted and came after ``last``, None for from now on.

    ``event: missed`` says that the feed no longer had all of it. After ``silence_s`` seconds without an event
    a comment and the newest id follow, so that a client with a narrow filter need not go far back when it
    comes again. It ends after ``lasts_s`` seconds.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + lasts_s
    async with current_hub() as hub:
        position = last
        yield b"retry: %d\n\n" % COME_BACK_MS
        said_at = loop.time()
        while (now := loop.time()) < ends_at:
            if position is None and hub.position is not None:
                # Said at once: who is cut off before the first event must not lose what came meanwhile.
                position = hub.position
                yield _here(position)
            batches, lost = await _next(hub, position)
            if lost:
                yield _MISSED
            chunks = []
            for batch in batches:
                assert position is not None
                chunks.append(await _lines(hub, batch, wanted, position, allowed))
                position = batch.last
            chunk = b"".join(chunks)
            if chunk or now - said_at >= silence_s:
                yield chunk or b": still here\n" + _here(position)
                said_at = loop.time()
            if not batches:
                await hub.change(min(said_at + silence_s, ends_at) - loop.time())


async def _next(hub: Hub, position: Position | None) -> tuple[Sequence[Batch], bool]:
    """Return what follows, and whether something before it is lost."""
    if position is None:
        return (), False
    batches = hub.after(position)
    if batches is not None:
        return batches, False
    try:
        batch, lost = await hub.read_back(position)
    except (RedisUnavailable, DatabaseError, InterfaceError):
        return (), False  # the hub says so in its log; who follows hears it by the silence
    return ((), False) if batch is None else ((batch,), lost)


async def _lines(
    hub: Hub, batch: Batch, wanted: Wanted, position: Position, allowed: Allowed | None
) -> bytes:
    if wanted.is_everything and allowed is None and position <= batch.before:
        return batch.all_sent()
    found: Sequence[Happening] = wanted.of(batch)
    if position > batch.before:
        found = [one for one in found if one.position > position]
    if allowed is not None and found:
        job_ids = {one.job_id for one in found}
        seen = set(await hub.in_thread(lambda: allowed(job_ids)))
        found = [one for one in found if one.job_id in seen]
    return b"".join(one.sent for one in found)


def _here(position: Position | None) -> bytes:
    """Return the line that tells where the client is; it is no event."""
    return b"\n" if position is None else b"id: %b\n\n" % text_of(position).encode()
