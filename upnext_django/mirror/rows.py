"""The changes that a batch of moves makes to the history, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from upnext_django.core.fingerprint import Fingerprint

__all__ = [
    "ArtifactRow",
    "AttemptRow",
    "Changes",
    "CursorRow",
    "End",
    "JobRow",
    "LogRow",
    "Poison",
    "StatRow",
]


class JobRow(msgspec.Struct, omit_defaults=True):
    """What a batch knows of one job; the fields are JobRecord's columns, in the order of writing.

    Times are ms since 1970, JSON columns are JSON text; None is "not known here". ``function`` is
    empty unless the batch has the submit, and only then do the fields up to ``meta`` count.
    ``token`` is that of the newest claim which the batch knows, 0 if it knows of none: it decides
    which of two rows has the newer attempt. Hand-backs are counted in the attempts' rows.
    """

    id: str
    queue: str
    created_at: int
    function: str = ""
    function_name: str = ""
    kind: str = "task"
    parent_id: str | None = None
    root_id: str | None = None
    replay_of: str | None = None
    duplicate_of: str | None = None
    priority: int = 0
    max_attempts: int = 1
    arguments: str | None = None
    schedule: str | None = None
    idempotency_key: str | None = None
    code_version: str | None = None
    meta: str | None = None

    status: str = ""
    seq: int = 0
    token: int = 0
    attempts: int = 0
    crashes: int = 0
    run_at: int | None = None
    started_at: int | None = None
    completed_at: int | None = None
    worker_id: str | None = None
    result: str | None = None
    error_type: str | None = None
    error: str | None = None
    progress: float | None = None
    progress_message: str | None = None
    checkpoint: str | None = None
    cache_hit: bool = False


class AttemptRow(msgspec.Struct, omit_defaults=True):
    """What a batch knows of one claim; the fields are AttemptRecord's columns."""

    job_id: str
    token: int
    number: int
    worker_id: str | None = None
    started_at: int | None = None
    ended_at: int | None = None
    outcome: str = "active"
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None


class LogRow(msgspec.Struct):
    """One log line; the fields are LogRecord's columns."""

    job_id: str
    seq: int
    position: int
    at: int
    level: str
    message: str
    data: str | None


class ArtifactRow(msgspec.Struct):
    """One artifact; the fields are ArtifactRecord's columns."""

    id: str
    job_id: str
    name: str
    artifact_type: str
    size_bytes: int
    path: str
    created_at: int


class StatRow(msgspec.Struct):
    """A count to add; the fields are StatRecord's columns."""

    period: int
    start: int
    function: str
    queue: str
    outcome: str
    bound_ms: int
    jobs: int
    ran_ms: int


class CursorRow(msgspec.Struct):
    """Where counting stands in a queue; the fields are StatCursor's columns."""

    queue: str
    entry_id: str


class End(msgspec.Struct):
    """The end of an attempt, or of a job that never ran (``ran_ms`` None), for the statistics.

    ``function`` is empty where the batch has no submit of the job.
    """

    job_id: str
    queue: str
    function: str
    outcome: str
    at_ms: int
    ran_ms: int | None


@dataclass(frozen=True, slots=True)
class Poison:
    """A move whose data cannot be read; its status counts all the same."""

    job_id: str
    seq: int
    move: str
    problem: str


@dataclass(slots=True)
class Changes:
    """Everything one transaction writes, in the order of the ids so that no two writers deadlock.

    ``handed_back`` are jobs whose hand-backs are to be counted. ``dead`` are jobs that may be dead
    letters: the job's row decides. ``replayed`` are pairs of a
    job and the one made from it, ``discarded`` pairs of a job and the moment in ms. ``ends`` are to be
    counted, unless they were before. ``prints`` says of jobs that failed in which way.
    """

    jobs: list[JobRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    artifacts: list[ArtifactRow] = field(default_factory=list)
    handed_back: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    replayed: list[tuple[str, str]] = field(default_factory=list)
    discarded: list[tuple[str, int]] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    prints: dict[str, Fingerprint] = field(default_factory=dict)
    poison: list[Poison] = field(default_factory=list)
