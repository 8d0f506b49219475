"""Job ids: UUID strings that sort by time and lead to their queue.

The last 16 bits of every id are the CRC-16 of its queue's name, so a bare id is looked up on one
Redis Cluster slot. Version 7 is a job by itself, 8 a child (the same id when its parent's attempt
runs again) or a tick of a schedule (the same id in every process that computes the tick).
"""

from __future__ import annotations

import hashlib
import os
import re
from binascii import crc_hqx
from functools import lru_cache
from time import time_ns

__all__ = [
    "child_job_id",
    "created_ms",
    "first_id_at",
    "is_job_id",
    "new_job_id",
    "queue_tag",
    "tag_of",
    "tick_job_id",
]

_REFILL = 512
_JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_BYTES = 8
# Over all numbers of a refill at once: the two highest bits of each become the UUID's variant, 10.
_VARIANT = int.from_bytes(b"\x80".ljust(_BYTES, b"\0") * _REFILL)
_FREE = int.from_bytes(b"\x3f".ljust(_BYTES, b"\xff") * _REFILL)

# Random texts of 16 hex digits, the first of them 8 to b. list.pop() is atomic: two threads can never
# draw the same one.
_pool: list[str] = []
# Milliseconds and a counter of 12 bits below them: what the last id of this process began with.
_last = 0
# The first 15 characters of the ids of one millisecond, and that millisecond.
_head = (0, "")


def new_job_id(queue: str) -> str:
    """Return a new UUIDv7 for a job of ``queue``.

    The ids of a process sort in the order they were made, but for those that two threads make within
    the same millisecond.
    """
    global _head, _last
    try:
        random = _pool.pop()
    except IndexError:
        _refill()
        random = _pool.pop()
    now = time_ns() // 1_000_000
    last = _last
    if now > last >> 12:
        # Half of the counter's range stays free for the next ids of the same millisecond.
        moment = now << 12 | int(random[12:], 16) & 0x7FF
    else:
        # Past the counter's end this borrows from the next millisecond.
        moment = last + 1
    _last = moment
    ms, head = _head
    if ms != moment >> 12:
        ms = moment >> 12
        head = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"
        _head = ms, head
    return f"{head}{moment & 0xFFF:03x}-{random[:4]}-{random[4:12]}{_tag_text(queue)}"


def _refill() -> None:
    numbers = int.from_bytes(os.urandom(_BYTES * _REFILL)) & _FREE | _VARIANT
    _pool.extend(numbers.to_bytes(_BYTES * _REFILL).hex("-", _BYTES).split("-"))


def child_job_id(
    queue: str,
    *,
    first_claim_ms: int,
    parent_id: str,
    attempt: int,
    function: str,
    arguments: bytes,
    ordinal: int,
) -> str:
    """Return the UUIDv8 of a child: the same for the same call of the same attempt.

    ``first_claim_ms`` is when this attempt of the parent was first claimed, ``ordinal`` how often it
    made this very call before (0 for the first). ``arguments`` must not depend on the process: see
    ``Signature.canonical()``.
    """
    text = f"{queue}\0{parent_id}\0{attempt}\0{function}\0{ordinal}\0"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass") + arguments, digest_size=8).digest()
    return _from_hash(first_claim_ms, int.from_bytes(digest), queue)


def tick_job_id(queue: str, name: str, tick_ms: int) -> str:
    """Return the id of the job that the schedule ``name`` makes for its tick at ``tick_ms``.

    A UUIDv8 with the tick's time; every process computes the same one.
    """
    text = f"{queue}\0{name}\0{tick_ms}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return _from_hash(tick_ms, int.from_bytes(digest), queue)


def queue_tag(queue: str) -> int:
    """Return the last 16 bits of every id of ``queue``: the CRC-16 (XMODEM) of its name."""
    return crc_hqx(queue.encode("utf-8", "surrogatepass"), 0)


def tag_of(job_id: str) -> int:
    """Return the queue tag of a job id. Raises ValueError for a text that is none."""
    if not is_job_id(job_id):
        raise ValueError(f"{job_id!r} is not a job id; a job id is a lower-case UUID of version 7 or 8.")
    return int(job_id[-4:], 16)


def created_ms(job_id: str) -> int | None:
    """Return the time in the id, in ms since 1970.

    That is the submit's for version 7; for version 8 the first claim of the parent's attempt, or the tick.
    None for a text that is no job id.
    """
    if not is_job_id(job_id):
        return None
    return int(job_id[:8] + job_id[9:13], 16)


def first_id_at(ms: int) -> str:
    """Return a text that sorts after every id made before that time, and before all others."""
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}"


def is_job_id(text: str) -> bool:
    """Return whether ``text`` looks like an id made here: a lower-case UUID of version 7 or 8."""
    return _JOB_ID.fullmatch(text) is not None


def _from_hash(ms: int, digest: int, queue: str) -> str:
    """Lay out 48 bits of ``ms`` and 58 bits of ``digest`` (64 are given) as a UUID of ``queue``."""
    return (
        f"{ms >> 16 & 0xFFFFFFFF:08x}-{ms & 0xFFFF:04x}-8{digest & 0xFFF:03x}-"
        f"{digest >> 50 | 0x8000:04x}-{digest >> 18 & 0xFFFFFFFF:08x}{_tag_text(queue)}"
    )


@lru_cache(maxsize=1024)
def _tag_text(queue: str) -> str:
    return f"{queue_tag(queue):04x}"


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    # A forked child with the parent's numbers would make the parent's ids.
    os.register_at_fork(after_in_child=_pool.clear)
