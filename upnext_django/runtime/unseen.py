"""Jobs that failed for good where no attempt could say so: whoever takes them back tells of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from upnext_django.broker.broker import Broker
from upnext_django.declare import surroundings
from upnext_django.exceptions import RedisUnavailable

__all__ = ["tell", "tell_sync"]

logger = logging.getLogger("upnext.worker")

_UNTOLD = "job %s: nobody is told that it was lost: %s"


async def tell(broker: Broker, job_id: str) -> None:
    """Tell what surrounds jobs of one that died; nothing is read where nothing surrounds them."""
    if not surroundings.is_anybody():
        return
    try:
        job = await broker.job(job_id)
    except RedisUnavailable as error:
        logger.warning(_UNTOLD, job_id, error, extra={"job_id": job_id})
        return
    if job is not None:
        surroundings.ended_unseen(job)


def tell_sync(broker: Broker, job_ids: Iterable[str]) -> None:
    """See tell()."""
    if not surroundings.is_anybody():
        return
    for job_id in job_ids:
        try:
            job = broker.job_sync(job_id)
        except RedisUnavailable as error:
            logger.warning(_UNTOLD, job_id, error, extra={"job_id": job_id})
            continue
        if job is not None:
            surroundings.ended_unseen(job)
