"""Lives of jobs for the mirror's tests: every sequence of moves that core/lifecycle allows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import MOVES, TERMINAL, JobStatus, Move

__all__ = ["JOB_ID", "START_MS", "lives", "move"]

JOB_ID = "019a0000-0000-7000-8000-000000000001"
START_MS = 1_780_000_000_000


def move(
    seq: int,
    what: Move,
    status: JobStatus,
    *,
    job_id: str = JOB_ID,
    token: int = 0,
    extra: int = 0,
    data: Any = None,
) -> JobMove:
    """Return a move as the event stream would tell it, 10 ms after the one before."""
    raw = data if isinstance(data, bytes) else json.dumps(data or {}).encode()
    return JobMove(job_id, seq, START_MS + 10 * seq, what, status, token, extra, raw)


@st.composite
def lives(draw: st.DrawFn, job_id: str = JOB_ID, reports: bool = True) -> list[JobMove]:
    """Draw the moves of one job from its submit to its end, or to some moment before."""
    status = draw(st.sampled_from([JobStatus.QUEUED, JobStatus.SCHEDULED]))
    run_at = START_MS + 5_000 if status is JobStatus.SCHEDULED else 0
    envelope = {"fn": "shop.tasks.pay", "name": "pay", "args": [[1], {"order": 7}], "max": 3}
    told = [move(1, Move.SUBMITTED, status, job_id=job_id, extra=run_at, data=envelope)]
    token = attempts = crashes = 0
    started = START_MS
    ended: dict[str, Any] = {}
    for seq in range(2, draw(st.integers(2, 14))):
        choices = [
            (what, after)
            for what, table in MOVES.items()
            for after in sorted(table.get(status, ()))
            if reports or what is not Move.REPORTED
        ]
        if not choices:
            break
        what, status = draw(st.sampled_from(choices))
        at_ms = START_MS + 10 * seq
        data: dict[str, Any] = {}
        claim = token
        extra = 60_000 if status in TERMINAL else 0
        if what is Move.CLAIMED:
            claim = token = token + 1
            attempts, started = attempts + 1, at_ms
            data = {"worker": f"w{token}", "attempt": attempts}
        elif what is Move.SETTLED:
            data = {"attempt": attempts, "started": started}
            if status is JobStatus.COMPLETE:
                data["result"] = {"paid": token}
            else:
                data |= {"error_type": "ValueError", "error": f"ValueError: {token}", "traceback": "Trace"}
            if status is JobStatus.RETRYING:
                extra = at_ms + 1_000
        elif what is Move.CACHE_HIT:
            data = {"result": {"paid": 0}, "cache_hit": True}
        elif what is Move.HANDED_BACK:
            data = {"attempt": attempts, "started": started}
            if status is JobStatus.QUEUED:
                attempts -= 1
        elif what is Move.RECOVERED:
            crashes += 1
            data = {"attempt": attempts, "crashes": crashes, "worker": f"w{token}"}
            data["started"] = started
            if status is JobStatus.QUEUED:
                attempts -= 1
                token += 1  # the script fences the lost worker off
            else:
                data |= {"error_type": "WorkerLost", "error": f"lost {crashes} times"}
        elif what is Move.REPORTED:
            data = draw(
                st.sampled_from(
                    [
                        {"progress": float(seq)},
                        {"message": f"at {seq}", "logs": [[at_ms, "INFO", f"line {seq}", {"n": seq}]]},
                        {"checkpoint": {"row": seq}, "progress": float(seq)},
                    ]
                )
            )
        elif what in {Move.CANCELLED, Move.EXPIRED}:
            data = draw(st.sampled_from([{}, {"error": "expired before it started"}]))
        elif what is Move.DISCARDED:
            data = ended
        if status in TERMINAL and what is not Move.DISCARDED:
            ended = {"completed": at_ms, **data}
        told.append(move(seq, what, status, job_id=job_id, token=claim, extra=extra, data=data))
    return told
