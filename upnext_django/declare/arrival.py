"""Watching a job that may not be in Redis yet: one that is committed to an outbox comes with the relay."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

from upnext_django.declare import ports
from upnext_django.declare.blocking import Deadline
from upnext_django.declare.ports import Broker, Waiter
from upnext_django.exceptions import UpNextError

__all__ = ["cancel", "cancel_sync", "watched", "watched_sync"]

_LOOK_AGAIN_S: Final = 0.25


async def watched(broker: Broker, job_id: str, timeout: float | None) -> Waiter:
    """Return a waiter that Redis answers when the job ends; who asked closes it.

    Waits up to ``timeout`` seconds, then raises the builtin TimeoutError, for a job of the outbox to
    reach Redis. The waiter raises JobNotFound if the job is in neither.
    """
    deadline = Deadline(timeout)
    was_gone = False
    while True:
        waiter = broker.expect(job_id)
        try:
            await broker.watch(waiter)
        except BaseException:
            waiter.close()
            raise
        outbox = ports.outbox() if waiter.is_unknown else None
        if outbox is None or was_gone:
            return waiter
        waiter.close()
        if await outbox.ajob(job_id) is None:
            # It may have gone from there to Redis between the two looks: one more will tell.
            was_gone = True
        else:
            await asyncio.sleep(_pause(deadline))


def watched_sync(broker: Broker, job_id: str, timeout: float | None) -> Waiter:
    """See watched()."""
    deadline = Deadline(timeout)
    never = threading.Event()
    was_gone = False
    while True:
        waiter = broker.expect(job_id)
        try:
            broker.watch_sync(waiter)
        except UpNextError:
            waiter.close()
            raise
        outbox = ports.outbox() if waiter.is_unknown else None
        if outbox is None or was_gone:
            return waiter
        waiter.close()
        if outbox.job(job_id) is None:
            was_gone = True
        else:
            never.wait(_pause(deadline))


async def cancel(broker: Broker, job_id: str, *, tree: bool) -> bool:
    """Cancel a job in Redis, else in the outbox; True if it, or with ``tree`` a descendant, was live."""
    if await broker.cancel(job_id, tree=tree):
        return True
    outbox = ports.outbox()
    if outbox is None:
        return False
    hit = await outbox.acancel(broker, job_id)
    # Not there: it may have gone to Redis between the two calls.
    return await broker.cancel(job_id, tree=tree) if hit is None else hit


def cancel_sync(broker: Broker, job_id: str, *, tree: bool) -> bool:
    """See cancel()."""
    if broker.cancel_sync(job_id, tree=tree):
        return True
    outbox = ports.outbox()
    if outbox is None:
        return False
    hit = outbox.cancel(broker, job_id)
    return broker.cancel_sync(job_id, tree=tree) if hit is None else hit


def _pause(deadline: Deadline) -> float:
    left = deadline.left()
    if left == 0.0:
        raise TimeoutError("The job is still in the outbox.")
    return _LOOK_AGAIN_S if left is None else min(left, _LOOK_AGAIN_S)
