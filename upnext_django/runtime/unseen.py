"""Jobs that failed for good where no attempt could say so: whoever takes them back tells of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from upnext_django.broker import live
from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.link import AsyncLink, SyncLink
from upnext_django.declare import surroundings
from upnext_django.exceptions import RedisUnavailable

__all__ = ["tell", "tell_sync"]

logger = logging.getLogger("upnext.job")

#: Those that many jobs are lost with are not told of all: reading and telling must not keep leases waiting.
_TOLD_AT_ONCE = 100


async def tell(link: AsyncLink, keys: QueueKeys, job_id: str) -> None:
    """Log that a job of ``keys.queue`` was lost, and tell what surrounds jobs. Raises nothing."""
    _log(keys, job_id)
    if surroundings.is_anybody():
        try:
            _tell(keys, job_id, await link.execute([b"HGETALL", keys.job(job_id)]))
        except RedisUnavailable as error:
            logger.warning("job %s: nobody is told that it was lost: %s", job_id, error)
        except Exception:
            logger.exception("job %s: nobody is told that it was lost", job_id)


def tell_sync(link: SyncLink, died: Sequence[tuple[QueueKeys, str]]) -> None:
    """See tell(); of at most 100, and of none after Redis has not answered once."""
    for keys, job_id in died:
        _log(keys, job_id)
    if not surroundings.is_anybody():
        return
    for place, (keys, job_id) in enumerate(died[:_TOLD_AT_ONCE]):
        try:
            _tell(keys, job_id, link.execute([b"HGETALL", keys.job(job_id)]))
        except RedisUnavailable as error:
            logger.warning("%d jobs: nobody is told that they were lost: %s", len(died) - place, error)
            return
        except Exception:
            logger.exception("job %s: nobody is told that it was lost", job_id)
    if len(died) > _TOLD_AT_ONCE:
        logger.warning("%d jobs: nobody is told that they were lost", len(died) - _TOLD_AT_ONCE)


def _tell(keys: QueueKeys, job_id: str, fields: list[bytes]) -> None:
    if fields:
        surroundings.ended_unseen(live.parse(job_id, keys.queue, fields))


def _log(keys: QueueKeys, job_id: str) -> None:
    logger.error(
        "job %s of queue %s failed: what ran it died more often than MAX_CRASHES.",
        job_id,
        keys.queue,
        extra={"job_id": job_id},
    )
