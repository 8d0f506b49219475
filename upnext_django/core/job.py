"""The data of a job on its way: what is sent, what comes back, what a waiter gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from upnext_django.core.lifecycle import JobStatus, Move

__all__ = [
    "ENVELOPE_VERSION",
    "Ending",
    "Envelope",
    "JobMove",
    "LiveJob",
    "NewJob",
    "SettleData",
    "SubmitAnswer",
    "SubmitReply",
]

ENVELOPE_VERSION = 1


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The static part of a job as JSON: written once at submit, opaque to Lua.

    The worker runs the job from it and the mirror makes the history row from it (from a masked copy
    where arguments are sensitive). ``args`` is the JSON ``[[positional...], {keyword: ...}]``.
    Fields that equal their default are left out; unknown ones are ignored, so that an older worker
    reads a newer submitter's job.
    """

    v: int = ENVELOPE_VERSION
    function: str = msgspec.field(name="fn")
    function_name: str = msgspec.field(name="name", default="")
    args: msgspec.Raw = msgspec.Raw(b"[[],{}]")
    kind: str = "task"  # task | cron | event
    parent_id: str | None = msgspec.field(name="parent", default=None)
    root_id: str | None = msgspec.field(name="root", default=None)
    replay_of: str | None = None
    max_attempts: int = msgspec.field(name="max", default=1)
    priority: int = 0
    timeout: float | None = None  # seconds; None is no limit. Always written at submit.
    key: str | None = None
    schedule: str | None = None
    code_version: str | None = msgspec.field(name="code", default=None)
    meta: dict[str, msgspec.Raw] | None = None
    awaited: bool = False
    #: What an ancestor keeps while it waits, outermost first: its place in a cap, the lead of its cache key.
    held: tuple[str, ...] = ()
    cache: str | None = None  # the digest of its cache key
    #: What surrounds jobs, such as a trace, tells itself from the submit to the attempts.
    carries: dict[str, str] | None = None
    sealed: bool = False  # args are encrypted: a JSON string instead of the list
    shown: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # with sealed: args with the sensitive ones masked


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """One job to submit. ``envelope`` and ``shown`` are encoded Envelopes.

    ``shown`` is the copy for history, None if it is the same. ``delay_ms`` counts from Redis's
    clock at the submit, ``at_ms`` is absolute; at most one of them is set. ``expires_ms`` counts
    from the moment the job may run. ``reply`` is the id of a waiting client, None for nobody.
    """

    id: str
    queue: str
    function: str
    envelope: bytes
    lane: int = 1  # 0 above, 1 at, 2 below priority 0
    digest: str = ""  # of the limit key; "" where the function has no keyed limit
    cache: str = ""  # the digest of its cache key; "" reads and writes no cache
    shown: bytes | None = None
    delay_ms: int | None = None
    at_ms: int | None = None
    expires_ms: int | None = None
    key: str | None = None
    parent_id: str | None = None
    reply: str | None = None


class SubmitAnswer(StrEnum):
    ACCEPTED = "ACCEPTED"
    EXISTS = "EXISTS"  # this id was submitted before: a retried send, or an adopted child
    DUPLICATE = "DUPLICATE"  # the idempotency key belongs to a live job


class SubmitReply(msgspec.Struct, frozen=True):
    answer: SubmitAnswer
    winner: str | None = None  # the live job of the key, with DUPLICATE


class SettleData(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one attempt ended, as JSON: kept with the job, sent to waiters, written to history."""

    attempt: int = 0  # 0: it ended without being run
    started_ms: int = msgspec.field(name="started", default=0)
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error_type: str | None = None
    error: str | None = None  # "ValueError: text"; "30.0 seconds" for a timeout
    traceback: str | None = None
    timed_out: bool = False
    cache_hit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a waiter is told: the final status and the last attempt's data."""

    job_id: str
    status: JobStatus
    completed_ms: int
    data: SettleData


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """A job as Redis holds it. Times are ms since 1970 by Redis's clock, None if not yet."""

    id: str
    queue: str
    status: JobStatus
    envelope: Envelope
    attempts: int
    crashes: int
    handbacks: int
    seq: int
    created_ms: int
    run_at_ms: int | None
    started_ms: int | None
    completed_ms: int | None
    worker_id: str | None
    progress: float | None
    progress_message: str | None
    checkpoint: bytes | None  # JSON
    ending: SettleData | None
    duplicate_of: str | None
    cancel_asked: bool
    token: int = 0  # of its newest claim


class JobMove(msgspec.Struct, frozen=True):
    """One move of one job, as the event stream tells it; ``seq`` counts 1, 2, 3... per job.

    ``status`` is the status after the move, ``token`` the claim's number (0 before the first),
    ``extra`` depends on the move: run_at ms for scheduled and retrying jobs, the key's TTL in ms
    for terminal ones, else 0. ``data`` is JSON:

    submitted      an Envelope (masked)
    claimed        {"worker": id, "attempt": n}
    settled        SettleData; for ``retrying`` too
    cache_hit      SettleData with ``cache_hit`` and the cached result
    handed_back    SettleData of the attempt that does not count
    recovered      {"attempt": n, "started": ms, "crashes": c, "worker": the lost one}; SettleData's error
                   fields too when it ends the job
    reported       {"progress": p, "message": m, "checkpoint": any, "logs": [[ms, level, text, data]]}
    duplicated     {"duplicate_of": id, "fn":...}: an Envelope with that field added
    discarded      {"completed": ms, ...}: when the job failed, and the error fields of its ending
    promoted, cancel_asked, cancelled, expired    {} or {"error": text}
    """

    job_id: str
    seq: int
    at_ms: int
    move: Move
    status: JobStatus
    token: int
    extra: int
    data: bytes
