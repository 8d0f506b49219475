"""What the API tells of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, JsonValue

from upnext_django.api.shape import Shape
from upnext_django.core.lifecycle import JobStatus
from upnext_django.operations.waiting import Reason

__all__ = [
    "EXAMPLE_ID",
    "AttemptOut",
    "JobDetail",
    "JobOut",
    "JobPage",
    "JobRef",
    "LogLine",
    "LogPage",
    "Payload",
    "TreeJobOut",
    "TreeOut",
    "Waiting",
]

EXAMPLE_ID = "019a0000-0000-7000-8000-000000000001"
_JOB: dict[str, JsonValue] = {
    "id": EXAMPLE_ID,
    "function": "shop.tasks.send_receipt",
    "function_name": "send_receipt",
    "queue": "mail",
    "status": "complete",
    "kind": "task",
    "parent_id": None,
    "root_id": EXAMPLE_ID,
    "replay_of": None,
    "duplicate_of": None,
    "priority": 0,
    "attempts": 1,
    "max_attempts": 4,
    "crashes": 0,
    "handbacks": 0,
    "created_at": "2026-01-31T12:00:00Z",
    "run_at": None,
    "started_at": "2026-01-31T12:00:00.020000Z",
    "completed_at": "2026-01-31T12:00:00.270000Z",
    "worker_id": "web1-4711-a1b2",
    "error_type": None,
    "progress": None,
    "cache_hit": False,
    "schedule": None,
    "code_version": None,
}


class JobRef(Schema):
    """A job that was made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"job_id": EXAMPLE_ID}]})

    job_id: str = Field(description="Where `GET /jobs/{job_id}` follows it.")


class JobOut(Shape):
    """A job as the history has it, without its arguments and its result."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    id: str = Field(description="A UUID that sorts by time.")
    function: str = Field(description="The identity of its function; empty if only its end is known yet.")
    function_name: str = Field(description="The name that its function is shown by.")
    queue: str
    status: JobStatus
    kind: str = Field(description="`task`, `cron` or `event`.")
    parent_id: str | None = Field(default=None, description="The job that submitted it.")
    root_id: str | None = Field(default=None, description="The top of its tree; its own id at the top.")
    replay_of: str | None = Field(default=None, description="The job that it was made from.")
    duplicate_of: str | None = Field(default=None, description="The job that runs in its place.")
    priority: int
    attempts: int = Field(description="Attempts that were begun.")
    max_attempts: int
    crashes: int = Field(description="How often its worker died with it.")
    handbacks: int = Field(description="How often a stopping worker gave it back.")
    created_at: datetime
    run_at: datetime | None = Field(default=None, description="It does not start before.")
    started_at: datetime | None = Field(default=None, description="When its newest attempt was begun.")
    completed_at: datetime | None = None
    worker_id: str | None = Field(default=None, description="Who has, or had, its newest attempt.")
    error_type: str | None = None
    progress: float | None = Field(default=None, description="0 to 100.")
    cache_hit: bool
    schedule: str | None = Field(default=None, description="The schedule that made it.")
    code_version: str | None = None


class JobPage(Shape):
    """One page of jobs, the newest first."""

    items: list[JobOut]
    next: str | None = Field(default=None, description="`cursor` of the next page, null on the last.")


class Payload(Shape):
    """What went into a job and came out of it; sensitive values are masked."""

    arguments: Any = Field(default=None, description='`{"args": [...], "kwargs": {...}}`.')
    result: Any = None
    checkpoint: Any = None
    meta: Any = None


class AttemptOut(Shape):
    """One claim of the job by a worker."""

    number: int = Field(description="The attempt: a claim after a crash has the number of the one before.")
    token: int = Field(description="The claim: 1, 2, 3…")
    worker_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Literal["active", "complete", "failed", "timed_out", "cancelled", "handed_back", "lost"]
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None


class Waiting(Shape):
    """Why a job does not run now."""

    reason: Reason
    text: str
    way_out: str = Field(description="What can be done about it; empty if nothing needs to be.")


class JobDetail(JobOut):
    """A job with all that is known of it."""

    model_config = ConfigDict(json_schema_extra={"examples": []})

    in_history: bool = Field(description="False in the first moments: Redis has it, its row is on the way.")
    error: str | None = None
    progress_message: str | None = None
    idempotency_key: str | None = None
    payload: Payload | None = Field(
        default=None, description="Null without the permission `upnext.view_payload` or the scope `payload`."
    )
    claims: list[AttemptOut] = Field(default=[], description="The newest 200, the oldest of them first.")
    waiting: Waiting | None = Field(default=None, description="Null for a job that runs or has ended.")


class LogLine(Shape):
    """A line that a job wrote."""

    at: datetime
    level: str
    message: str
    data: Any = None


class LogPage(Shape):
    """One page of a job's log, the oldest line first."""

    items: list[LogLine]
    next: str | None = Field(default=None, description="`cursor` of the next page, null at the end.")


class TreeJobOut(Shape):
    """A job in its tree."""

    id: str
    parent_id: str | None = None
    depth: int = Field(description="0 at the top.")
    function_name: str
    status: JobStatus
    ready_at: datetime = Field(description="When it could have started: its submit, or its delay's end.")
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempts: int
    max_attempts: int
    cache_hit: bool
    is_critical: bool = Field(description="Had it been quicker, the whole would have ended earlier.")
    is_orphan: bool = Field(description="Its parent is not in the history.")


class TreeOut(Shape):
    """The tree of a job: parents before children, siblings by when they could have started."""

    root_id: str
    truncated: bool = Field(description="There are more jobs than `limit`.")
    jobs: list[TreeJobOut]
