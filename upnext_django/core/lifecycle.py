"""The states of a job and the moves between them.

A Lua script names the states that it needs in its header and gets them from here (``broker.script``), so
this table is the only place where a state is added or a move allowed.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CLAIMABLE", "LIVE", "MOVES", "REPLAYABLE", "TERMINAL", "JobStatus", "Move"]


class JobStatus(StrEnum):
    """Where a job is. The values are public: history, API and ``future.status()`` show them."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    ACTIVE = "active"
    RETRYING = "retrying"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What happened to a job: one verb for a script, its event and its log line."""

    SUBMITTED = "submitted"
    PROMOTED = "promoted"
    CLAIMED = "claimed"
    CACHE_HIT = "cache_hit"
    SETTLED = "settled"
    HANDED_BACK = "handed_back"
    RECOVERED = "recovered"
    REPORTED = "reported"
    CANCEL_ASKED = "cancel_asked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DUPLICATED = "duplicated"
    DISCARDED = "discarded"


TERMINAL = frozenset({JobStatus.COMPLETE, JobStatus.FAILED, JobStatus.CANCELLED})
LIVE = frozenset(JobStatus) - TERMINAL
CLAIMABLE = frozenset({JobStatus.QUEUED})
#: A replay is a new job, so it is no move of the old one; only these may have one.
REPLAYABLE = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})

_S = JobStatus

#: move -> {state before: states it may lead to}. A state that is missing refuses the move.
MOVES: dict[Move, dict[JobStatus, frozenset[JobStatus]]] = {
    Move.PROMOTED: {
        _S.SCHEDULED: frozenset({_S.QUEUED}),
        _S.RETRYING: frozenset({_S.QUEUED}),
    },
    Move.CLAIMED: {_S.QUEUED: frozenset({_S.ACTIVE})},
    # Its result was cached: it ends without being run.
    Move.CACHE_HIT: {_S.QUEUED: frozenset({_S.COMPLETE})},
    Move.SETTLED: {_S.ACTIVE: frozenset({_S.COMPLETE, _S.RETRYING, _S.FAILED, _S.CANCELLED})},
    # A hand-back of a job whose cancel was asked for ends it instead.
    Move.HANDED_BACK: {_S.ACTIVE: frozenset({_S.QUEUED, _S.CANCELLED})},
    Move.RECOVERED: {_S.ACTIVE: frozenset({_S.QUEUED, _S.FAILED, _S.CANCELLED})},
    Move.REPORTED: {_S.ACTIVE: frozenset({_S.ACTIVE})},
    Move.CANCEL_ASKED: {_S.ACTIVE: frozenset({_S.ACTIVE})},
    Move.CANCELLED: {
        _S.SCHEDULED: frozenset({_S.CANCELLED}),
        _S.QUEUED: frozenset({_S.CANCELLED}),
        _S.RETRYING: frozenset({_S.CANCELLED}),
    },
    Move.EXPIRED: {
        _S.SCHEDULED: frozenset({_S.CANCELLED}),
        _S.QUEUED: frozenset({_S.CANCELLED}),
    },
    # A dead letter that nobody will replay: the job stays failed.
    Move.DISCARDED: {_S.FAILED: frozenset({_S.FAILED})},
}
