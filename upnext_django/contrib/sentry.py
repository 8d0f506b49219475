"""Sentry: jobs that failed for good, once each, and a scope of its own for each attempt.

``sentry_sdk.init(dsn, integrations=[UpNextIntegration()])`` in the settings, which the workers read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import LiveJob
from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.outcome import Outcome
from upnext_django.declare import surroundings
from upnext_django.declare.current import RunningJob

__all__ = ["UpNextIntegration"]

_MECHANISM = {"type": "upnext", "handled": False}


class UpNextIntegration(Integration):
    """Reports jobs that failed for good. What will be tried again, or was cancelled, is not reported."""

    identifier = "upnext"

    @staticmethod
    def setup_once() -> None:
        """Called by Sentry, once in a process."""
        surroundings.add(_REPORTS)
        # The worker logs each failure as an error, of which Sentry would make a second report.
        ignore_logger("upnext.job")


class _Attempt:
    """One attempt's scope, and whether its failure is reported."""

    def __init__(self, job: RunningJob) -> None:
        self.is_reported = False
        self._manager = sentry_sdk.isolation_scope()
        scope = self._manager.__enter__()
        _describe(
            scope,
            function=job.function,
            queue=job.queue,
            job_id=job.id,
            root_id=job.root_id,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            parent_id=job.parent_id,
            worker_id=job.worker_id,
        )

    def leave(self) -> None:
        self._manager.__exit__(None, None, None)


class _Reports:
    def submitting(self, definition: TaskDefinition, queue: str) -> Mapping[str, str]:
        return {}

    def entered(self, job: RunningJob, carries: Mapping[str, str]) -> _Attempt | None:
        return _Attempt(job) if sentry_sdk.get_client().get_integration(UpNextIntegration) else None

    def failed(self, token: _Attempt | None, job: RunningJob, error: BaseException, outcome: Outcome) -> None:
        if token is None or outcome.status is not JobStatus.FAILED:
            return
        event, hint = event_from_exception(
            error, client_options=sentry_sdk.get_client().options, mechanism=_MECHANISM
        )
        if job.mask is not None:
            _hide(event, job)
            hint = {}
        token.is_reported = True
        _capture(event, hint)

    def ended_unseen(self, job: LiveJob) -> None:
        if sentry_sdk.get_client().get_integration(UpNextIntegration) is None:
            return
        envelope, error = job.envelope, job.ending.error if job.ending is not None else None
        value = {"type": "WorkerLost", "value": error or "", "mechanism": _MECHANISM}
        # There is no traceback by which Sentry could tell one function's from another's.
        report: Event = {"exception": {"values": [value]}, "fingerprint": ["WorkerLost", envelope.function]}
        with sentry_sdk.isolation_scope() as scope:
            _describe(
                scope,
                function=envelope.function,
                queue=job.queue,
                job_id=job.id,
                root_id=envelope.root_id or job.id,
                attempt=job.attempts,
                max_attempts=envelope.max_attempts,
                parent_id=envelope.parent_id,
                worker_id=job.worker_id,
            )
            _capture({**report, "level": "error"}, {})

    def left(self, token: _Attempt | None, job: RunningJob, outcome: Outcome | None) -> None:
        if token is None:
            return
        if outcome is not None and outcome.status is JobStatus.FAILED and not token.is_reported:
            # A timeout has no exception that would tell more than this.
            value = {"type": outcome.data.error_type or "Timeout", "value": outcome.data.error or ""}
            _capture({"level": "error", "exception": {"values": [{**value, "mechanism": _MECHANISM}]}}, {})
        token.leave()


def _describe(
    scope: Scope, *, function: str, queue: str, job_id: str, root_id: str, attempt: int, **more: Any
) -> None:
    scope.clear_breadcrumbs()
    scope.set_transaction_name(function, source="task")
    # What Django's integration has said of a page goes over into threads that the page starts.
    sentry_sdk.get_current_scope().set_transaction_name(function, source="task")
    scope.set_tags(
        {
            "upnext.job_id": job_id,
            "upnext.root_id": root_id,
            "upnext.function": function,
            "upnext.queue": queue,
            "upnext.attempt": attempt,
        }
    )
    scope.set_context("upnext job", more)


def _hide(event: Event, job: RunningJob) -> None:
    """Take out of a report what must not be stored: sensitive arguments of the job, secrets of its worker."""
    assert job.mask is not None
    for one in cast(Any, event).get("exception", {}).get("values", ()):
        one["value"] = job.mask.text(str(one.get("value") or ""))
        for frame in (one.get("stacktrace") or {}).get("frames", ()):
            frame.pop("vars", None)


def _capture(event: Event, hint: Hint) -> None:
    sentry_sdk.capture_event(event, hint=hint)


_REPORTS = _Reports()
