"""Idempotency keys of the API: the same key gives the same jobs, for a day.

A key leads to a seed, kept in Redis before anything is submitted; the ids of the jobs follow from the seed.
So whoever repeats a request that was cut short, or sends it twice at once, submits the same ids again, which
Redis takes once. When all is submitted the answer is kept, and later requests are given that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from upnext_django.connection import get_broker
from upnext_django.core.ids import child_job_id, created_ms, new_job_id
from upnext_django.core.job import NewJob
from upnext_django.exceptions import IdempotencyKeyReused, RedisUnavailable, UpNextError
from upnext_django.operations import signing

__all__ = ["ANY_TURN", "KEPT_S", "REFUSALS", "Turn", "once"]

#: How long a key leads to its jobs.
KEPT_S: Final = 86_400
_PURPOSE: Final = "idempotency-key"


class _Claim(msgspec.Struct, omit_defaults=True):
    seed: str
    asked: str  # a keyed digest of the request: it may hold what nobody may read
    jobs: list[str] | None = None


class Turn:
    """One request. ``jobs`` are those of an earlier one of the same key, None if they are to be made."""

    def __init__(self, claim: _Claim | None = None, *, is_repeated: bool = False) -> None:
        self._claim = claim
        #: Whether an earlier request of the key was begun and not answered.
        self.is_repeated = is_repeated

    @property
    def jobs(self) -> list[str] | None:
        return None if self._claim is None else self._claim.jobs

    @property
    def seed(self) -> str | None:
        """What everything that is made in the key's requests is named by, None without a key."""
        return None if self._claim is None else self._claim.seed

    def named(self, job: NewJob) -> NewJob:
        """Return ``job`` with the id that it has in every request of the key; as it is without a key."""
        if self._claim is None:
            return job
        seed = self._claim.seed
        return msgspec.structs.replace(
            job,
            id=child_job_id(
                job.queue,
                first_claim_ms=created_ms(seed) or 0,
                parent_id=seed,
                attempt=0,
                function=job.function,
                arguments=b"once",
                ordinal=0,
            ),
        )

    def done(self, jobs: list[str]) -> list[str]:
        """Note what was made, and return it."""
        if self._claim is not None:
            self._claim.jobs = jobs
        return jobs


#: What is raised before anything is sent.
REFUSALS: Final = (UpNextError, TypeError, ValueError)
#: That of a request without a key.
ANY_TURN: Final = Turn()


@contextmanager
def once(
    key: str | None, *, who: str, asked: bytes, refusals: tuple[type[Exception], ...] = REFUSALS
) -> Iterator[Turn]:
    """Give the turn of a request; what it says is done() is the answer to later ones.

    ``who`` keeps the keys of callers apart, ``asked`` is all that makes the request what it is. Nothing is
    kept of one that is refused, by one of ``refusals``. Without a ``key`` each request is one of its own.
    Raises IdempotencyKeyReused for a key that came with another request, and RedisUnavailable.
    """
    if key is None:
        yield ANY_TURN
        return
    operator = get_broker().operator
    name = hashlib.sha256(f"{who}\0{key}".encode()).hexdigest()
    own = _Claim(new_job_id(""), signing.digest(_PURPOSE, asked))
    begun = msgspec.json.encode(own)
    found = operator.claim_once_sync(name, begun, ttl_ms=KEPT_S * 1000)
    claim = msgspec.json.decode(found, type=_Claim)
    if not signing.matches(_PURPOSE, asked, claim.asked)[0]:
        raise IdempotencyKeyReused(
            f"The idempotency key {key!r} came with another request before. Take a new key for a new request."
        )
    if claim.jobs is not None:
        yield Turn(claim)
        return
    is_own = claim.seed == own.seed
    turn = Turn(claim, is_repeated=not is_own)
    try:
        yield turn
    except RedisUnavailable:
        raise
    except refusals:
        if is_own:
            operator.drop_once_sync(name, begun)
        raise
    # After anything else nobody knows whether the jobs arrived: the next request of the key finds out.
    if claim.jobs is not None:
        operator.settle_once_sync(name, msgspec.json.encode(claim))
