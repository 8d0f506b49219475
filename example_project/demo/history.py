"""What the history says of jobs, read from its rows with the ORM and laid out for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from upnext_django.core.lifecycle import TERMINAL
from upnext_django.models import AttemptRecord, DeadLetterRecord, JobRecord

__all__ = [
    "Progress",
    "attempt_lines",
    "dead_letter_lines",
    "has_ended",
    "last_traceback",
    "progress",
    "tree_lines",
]

_NAME_WIDTH = 46


def has_ended(*job_ids: str) -> bool:
    """Return whether the rows of these jobs, and of all below them, are there and final."""
    rows = _trees(job_ids)
    return {row.id for row in rows}.issuperset(job_ids) and all(row.status in TERMINAL for row in rows)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tree is: what its root says of itself, and how many of its jobs have ended."""

    status: str
    percent: float | None
    message: str
    ended: int
    jobs: int

    def __str__(self) -> str:
        percent = "" if self.percent is None else f"{self.percent:.0f} %"
        return (
            f"{self.status:<8} {percent:>5}  {self.message:<12}  {self.ended:>2} of {self.jobs:>2} jobs ended"
        )


def progress(root_id: str) -> Progress:
    """Return how far the tree under ``root_id`` is; before its row is there it counts as "sent"."""
    rows = _trees([root_id])
    ended = sum(row.status in TERMINAL for row in rows)
    for row in rows:
        if row.id == root_id:
            return Progress(row.status, row.progress, row.progress_message or "", ended, len(rows))
    return Progress("sent", None, "", ended, len(rows))


def tree_lines(root_id: str) -> list[str]:
    """Return the tree under ``root_id``, a job a line: queue wait, run time and status of each."""
    children: dict[str | None, list[JobRecord]] = defaultdict(list)
    for row in _trees([root_id]):
        children[None if row.id == root_id else row.parent_id].append(row)
    lines = [f"{'job':<{_NAME_WIDTH}}{'waited':>10}{'ran':>10}  status"]

    def add(row: JobRecord, lead: str, below: str) -> None:
        waited = _span(row.run_at or row.created_at, row.started_at)
        ran = _span(row.started_at, row.completed_at)
        lines.append(f"{lead + _call(row):<{_NAME_WIDTH}}{waited:>10}{ran:>10}  {row.status}")
        rest = sorted(children[row.id], key=lambda child: (child.created_at, child.id))
        for child in rest:
            last = child is rest[-1]
            add(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))

    for root in children[None]:
        add(root, "", "")
    return lines


def attempt_lines(job_id: str) -> list[str]:
    """Return the attempts of a job, one a line: when after the first, how long, how it ended."""
    attempts = list(AttemptRecord.objects.filter(job_id=job_id).order_by("token"))
    return [
        f"attempt {attempt.number}  after {_span(attempts[0].started_at, attempt.started_at):>7}"
        f"  {attempt.outcome:<9} {attempt.error or ''}".rstrip()
        for attempt in attempts
    ]


def dead_letter_lines(job_id: str) -> list[str]:
    """Return the dead letter of a job as one line; none if it has none."""
    return [
        f"dead letter after {letter.attempts} attempts: {letter.error}"
        for letter in DeadLetterRecord.objects.filter(job_id=job_id)
    ]


def last_traceback(job_id: str) -> str:
    """Return where the newest failed attempt of a job failed; empty if none did."""
    failed = AttemptRecord.objects.filter(job_id=job_id, error__isnull=False).order_by("token").last()
    return "" if failed is None else failed.traceback or failed.error or ""


def _trees(root_ids: Iterable[str]) -> list[JobRecord]:
    return list(JobRecord.objects.filter(root_id__in=root_ids))


def _call(row: JobRecord) -> str:
    arguments = row.arguments or {}
    words = [repr(value) for value in arguments.get("args", [])]
    words += [f"{name}={value!r}" for name, value in arguments.get("kwargs", {}).items()]
    return f"{row.function_name}({', '.join(words)})"


def _span(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return "-"
    span_ms = (end - start) / timedelta(milliseconds=1)
    return f"{span_ms:.0f} ms" if span_ms < 1000 else f"{span_ms / 1000:.2f} s"
