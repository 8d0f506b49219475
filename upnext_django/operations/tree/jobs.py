"""The jobs of one tree, read with a fixed number of queries and without their big columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import QuerySet

from upnext_django.models import AttemptRecord, JobRecord
from upnext_django.operations.tree.epoch import Epoch

__all__ = ["MOST", "Segment", "Tree", "TreeJob", "read", "spans"]

#: Jobs of one tree that are read at the most.
MOST = 50_000
# SQLite takes 999 parameters a statement in its oldest builds.
_JOBS_WITH_SEGMENTS = 900
_COLUMNS = (
    "id",
    "parent_id",
    "function_name",
    "status",
    Epoch("created_at"),
    Epoch("run_at"),
    Epoch("started_at"),
    Epoch("completed_at"),
    "attempts",
    "max_attempts",
    "cache_hit",
    "crashes",
    "handbacks",
)


class Segment(NamedTuple):
    """One attempt on the scale: seconds since the epoch, ``ended`` None while it runs."""

    outcome: str
    started: float
    ended: float | None


@dataclass(slots=True)
class TreeJob:
    """A job in its tree. Times are seconds since the epoch, None while they are not known.

    ``ready`` is when it could have started: its submit, or the delay's end. ``segments`` are its attempts.
    """

    id: str
    parent_id: str | None
    name: str
    status: str
    ready: float
    started: float | None
    completed: float | None
    attempts: int
    max_attempts: int
    cache_hit: bool
    segments: tuple[Segment, ...]

    @property
    def first_start(self) -> float | None:
        """When its first attempt started."""
        return self.segments[0].started if self.segments else self.started

    @property
    def ran_s(self) -> float | None:
        """How long its newest attempt ran, None while it has not ended."""
        if self.started is None or self.completed is None:
            return None
        return max(0.0, self.completed - self.started)


@dataclass(frozen=True, slots=True)
class Tree:
    """The root and its descendants by id, which is about the order of their submits.

    ``truncated``: there are more than were read.
    """

    root_id: str
    jobs: dict[str, TreeJob]
    truncated: bool


def read(
    root_id: str, *, limit: int = MOST, using: str = "default", among: QuerySet[JobRecord] | None = None
) -> Tree:
    """Return the job ``root_id`` and its descendants, ``limit`` of them at most; two queries.

    ``among`` are the jobs that count, None is all of the history.
    """
    known = (JobRecord.objects.all() if among is None else among).using(using).order_by()
    # Not with an OR, for which PostgreSQL reads all jobs by their ids if only the first of a tree are wanted.
    # The condition on parent_id is that of the index.
    top = known.filter(pk=root_id).values_list(*_COLUMNS)
    below = known.filter(root_id=root_id, parent_id__isnull=False).values_list(*_COLUMNS)
    rows = top.union(below, all=True).order_by("id")[: limit + 1]
    jobs = {}
    several = []
    for *facts, crashes, handbacks in rows:
        job = _job(*facts)
        jobs[job.id] = job
        if job.attempts > 1 or crashes or handbacks:
            several.append(job.id)
    truncated = len(jobs) > limit
    if truncated:
        jobs.popitem()
    _add_segments(jobs, several[:_JOBS_WITH_SEGMENTS], using)
    return Tree(root_id, jobs, truncated)


def _job(
    job_id: str,
    parent_id: str | None,
    name: str,
    status: str,
    created: float,
    run_at: float | None,
    started: float | None,
    completed: float | None,
    attempts: int,
    max_attempts: int,
    cache_hit: bool,
) -> TreeJob:
    segments: tuple[Segment, ...] = ()
    if started is not None:
        segments = (Segment(status if completed is not None else "active", started, completed),)
    return TreeJob(
        job_id,
        parent_id,
        name or job_id,
        status,
        # A retry moves run_at past the first start: then the job was ready when it was submitted.
        created if run_at is None or attempts > 1 else run_at,
        started,
        completed,
        attempts,
        max_attempts,
        cache_hit,
        segments,
    )


def _add_segments(jobs: dict[str, TreeJob], job_ids: list[str], using: str) -> None:
    """Give the jobs that were claimed more than once a segment for each claim."""
    if not job_ids:
        return
    rows = AttemptRecord.objects.using(using).filter(job_id__in=job_ids).order_by("job_id", "token")
    by_job: defaultdict[str, list[Segment]] = defaultdict(list)
    for job_id, outcome, started, ended in rows.values_list(
        "job_id", "outcome", Epoch("started_at"), Epoch("ended_at")
    ):
        if started is not None:
            by_job[job_id].append(Segment(outcome, started, ended))
    for job_id, segments in by_job.items():
        jobs[job_id].segments = tuple(segments)


def spans(jobs: Iterable[TreeJob], now: float) -> list[tuple[float, float]]:
    """Return the spans in which one of ``jobs`` waited in its queue or ran; unordered."""
    found: list[tuple[float, float]] = []
    for job in jobs:
        start = job.first_start
        if start is not None:
            found.append((min(job.ready, start), start))
            found += [(part.started, now if part.ended is None else part.ended) for part in job.segments]
        elif job.ready <= now:
            end = job.completed if job.completed is not None else now
            found.append((job.ready, max(end, job.ready)))
    return found
