"""Celery's names for the states of a job."""

from __future__ import annotations

from upnext_django.core.lifecycle import JobStatus

__all__ = [
    "EXCEPTION_STATES",
    "FAILURE",
    "PENDING",
    "READY_STATES",
    "RETRY",
    "REVOKED",
    "STARTED",
    "SUCCESS",
    "UNREADY_STATES",
    "state_of",
]

PENDING = "PENDING"
STARTED = "STARTED"
RETRY = "RETRY"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
REVOKED = "REVOKED"

READY_STATES = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES = frozenset({PENDING, STARTED, RETRY})
EXCEPTION_STATES = frozenset({RETRY, FAILURE, REVOKED})

_STATES = {
    JobStatus.SCHEDULED: PENDING,
    JobStatus.QUEUED: PENDING,
    JobStatus.ACTIVE: STARTED,
    JobStatus.RETRYING: RETRY,
    JobStatus.COMPLETE: SUCCESS,
    JobStatus.FAILED: FAILURE,
    JobStatus.CANCELLED: REVOKED,
}


def state_of(status: str) -> str:
    """Return Celery's name of a job's status: "complete" is SUCCESS."""
    return _STATES[JobStatus(status)]
