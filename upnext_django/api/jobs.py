"""Jobs: look at them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.db import DatabaseError
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from upnext_django import conf
from upnext_django.api.endpoint import endpoint
from upnext_django.api.job_shapes import (
    AttemptOut,
    JobDetail,
    JobOut,
    JobPage,
    LogLine,
    LogPage,
    Payload,
    TreeJobOut,
    TreeOut,
    Waiting,
)
from upnext_django.api.paging import Cursor, Limit, page, read_cursor, written_cursor
from upnext_django.api.params import JobIdInPath, Moment, Name
from upnext_django.api.problems import wrong
from upnext_django.api.visible import all_rows, job_row, may_see_payload
from upnext_django.connection import get_broker
from upnext_django.core.job import LiveJob
from upnext_django.core.lifecycle import TERMINAL, JobStatus
from upnext_django.exceptions import JobNotFound, UpNextError
from upnext_django.models import AttemptRecord, JobRecord, LogRecord
from upnext_django.operations import history, waiting
from upnext_django.operations.live_payload import payload_of
from upnext_django.operations.looking import look
from upnext_django.operations.tree import jobs as reading
from upnext_django.operations.tree.critical import critical_path
from upnext_django.operations.tree.order import branches, walk
from upnext_django.operations.waiting import Reason

__all__ = ["router"]

router = Router(tags=["jobs"])

_COLUMNS = tuple(JobOut.model_fields)


class JobFilters(Schema):
    """What narrows the list; all of them together."""

    status: JobStatus | None = None
    function: Name | None = Field(default=None, description="The identity of a function.")
    queue: Name | None = None
    parent_id: Name | None = None
    root_id: Name | None = Field(default=None, description="All jobs below that top, without it.")
    schedule: Name | None = None
    worker_id: Name | None = None
    idempotency_key: Name | None = None
    created_from: Moment | None = Field(default=None, description="Submitted then or later.")
    created_before: Moment | None = Field(default=None, description="Submitted earlier.")


@endpoint(router, "GET", "/jobs", needs="view_jobrecord", answer=JobPage)
def list_jobs(
    request: HttpRequest, filters: Query[JobFilters], cursor: Cursor = None, limit: Limit = 50
) -> JobPage:
    """List jobs, the newest first.

    They are those of the history, which follows Redis within moments.
    """
    rows = all_rows(request, JobRecord).only(*_COLUMNS)
    given = filters.model_dump(exclude_none=True, exclude={"created_from", "created_before"})
    is_alone = filters.created_from is None and filters.created_before is None
    rows = history.matching(rows, given, alone=is_alone)
    if filters.created_from is not None:
        rows = history.made_since(rows, filters.created_from)
    if filters.created_before is not None:
        rows = history.made_before(rows, filters.created_before)
    found, following = page(rows, cursor, limit, keys_first=len(given) > 1)
    return JobPage(items=[JobOut.model_validate(row) for row in found], next=following)


@endpoint(router, "GET", "/jobs/{job_id}", needs="view_jobrecord", answer=JobDetail, refuses=(404, 503))
def get_job(request: HttpRequest, job_id: JobIdInPath) -> JobDetail:
    """Show a job: where it stands, its attempts with their errors, and why it waits.

    A job of a moment ago, which the history does not have yet, is shown as Redis has it; its payload as the
    history will have it.
    """
    row = job_row(request, job_id)
    if row is None:
        live = get_broker().job_sync(job_id)
        if live is None:
            raise JobNotFound(job_id)
        return JobDetail(
            **_of_redis(live),
            in_history=False,
            payload=Payload.model_validate(payload_of(live)) if may_see_payload(request) else None,
            waiting=_waiting(live.id, live.status),
        )
    using = row._state.db or conf.get().database
    shown = JobOut.model_validate(row).model_dump()
    return JobDetail(
        **shown,
        in_history=True,
        error=row.error,
        progress_message=row.progress_message,
        idempotency_key=row.idempotency_key,
        payload=Payload.model_validate(row) if may_see_payload(request) else None,
        claims=[
            AttemptOut.model_validate(one)
            for one in history.attempts(row.pk, using=using, among=all_rows(request, AttemptRecord))
        ],
        waiting=_waiting(row.pk, row.status),
    )


@endpoint(router, "GET", "/jobs/{job_id}/tree", needs="view_jobrecord", answer=TreeOut, refuses=(404,))
def get_tree(
    request: HttpRequest,
    job_id: JobIdInPath,
    limit: Annotated[int, Field(ge=1, le=10_000, description="At most so many jobs.")] = 1_000,
) -> TreeOut:
    """Show the whole tree that a job belongs to, with what decided how long it took."""
    row = _row(request, job_id)
    tree = reading.read(
        row.root_id or row.pk,
        limit=limit,
        using=row._state.db or conf.get().database,
        among=all_rows(request, JobRecord),
    )
    tops = branches(tree)
    critical = critical_path(tops[0]) if tops else frozenset()
    return TreeOut(
        root_id=tree.root_id,
        truncated=tree.truncated,
        jobs=[
            TreeJobOut(
                id=branch.job.id,
                parent_id=branch.job.parent_id,
                depth=depth,
                function_name=branch.job.name,
                status=JobStatus(branch.job.status),
                ready_at=_moment(branch.job.ready),
                started_at=_moment_or_none(branch.job.first_start),
                completed_at=_moment_or_none(branch.job.completed),
                attempts=branch.job.attempts,
                max_attempts=branch.job.max_attempts,
                cache_hit=branch.job.cache_hit,
                is_critical=branch.job.id in critical,
                is_orphan=branch.orphan,
            )
            for depth, branch in walk(tops)
        ],
    )


@endpoint(router, "GET", "/jobs/{job_id}/logs", needs="view_jobrecord", answer=LogPage, refuses=(404,))
def list_logs(
    request: HttpRequest,
    job_id: JobIdInPath,
    level: Annotated[Name | None, Field(description="Only lines of this level, like `ERROR`.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> LogPage:
    """List what a job logged, the oldest line first.

    Whoever follows a job that runs asks again with the last cursor that was not null.
    """
    row = _row(request, job_id)
    lines = all_rows(request, LogRecord).filter(job_id=row.pk)
    if level is not None:
        lines = lines.filter(level=level.upper())
    if cursor is not None:
        seq, position = _log_place(cursor)
        lines = lines.filter(seq__gte=seq).exclude(seq=seq, position__lte=position)
    found = list(lines.order_by("seq", "position")[: limit + 1])
    last = found[limit - 1] if len(found) > limit else None
    return LogPage(
        items=[LogLine.model_validate(line) for line in found[:limit]],
        next=None if last is None else written_cursor(f"{last.seq}.{last.position}"),
    )


def _row(request: HttpRequest, job_id: str) -> JobRecord:
    row = job_row(request, job_id)
    if row is None:
        raise JobNotFound(job_id)
    return row


def _waiting(job_id: str, status: str) -> Waiting | None:
    """Return why a job that has not ended does not run, None if it runs or nobody can tell."""
    if status in TERMINAL:
        return None
    try:
        standing, _ = look(lambda: waiting.why(job_id))
    except (UpNextError, DatabaseError):
        return None
    if standing is None or standing.reason in (Reason.RUNNING, Reason.ENDED):
        return None
    return Waiting(reason=standing.reason, text=standing.text, way_out=standing.way_out)


def _of_redis(live: LiveJob) -> dict[str, Any]:
    envelope, ending = live.envelope, live.ending
    return {
        "id": live.id,
        "function": envelope.function,
        "function_name": envelope.function_name,
        "queue": live.queue,
        "status": live.status,
        "kind": envelope.kind,
        "parent_id": envelope.parent_id,
        "root_id": envelope.root_id or live.id,
        "replay_of": envelope.replay_of,
        "duplicate_of": live.duplicate_of,
        "priority": envelope.priority,
        "attempts": live.attempts,
        "max_attempts": envelope.max_attempts,
        "crashes": live.crashes,
        "handbacks": live.handbacks,
        "created_at": _moment(live.created_ms / 1000),
        "run_at": _moment_of_ms(live.run_at_ms),
        "started_at": _moment_of_ms(live.started_ms),
        "completed_at": _moment_of_ms(live.completed_ms),
        "worker_id": live.worker_id,
        "error_type": None if ending is None else ending.error_type,
        "error": None if ending is None else ending.error,
        "progress": live.progress,
        "progress_message": live.progress_message,
        "cache_hit": ending is not None and ending.cache_hit,
        "schedule": envelope.schedule,
        "idempotency_key": envelope.key,
        "code_version": envelope.code_version,
    }


def _log_place(cursor: str) -> tuple[int, int]:
    seq, _, position = read_cursor(cursor).partition(".")
    if not (seq.isdecimal() and position.isdecimal() and len(seq) < 10 and len(position) < 10):
        raise wrong("query.cursor", "it must be `next` of an earlier answer")
    return int(seq), int(position)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


def _moment_of_ms(ms: int | None) -> datetime | None:
    return None if ms is None else _moment(ms / 1000)
