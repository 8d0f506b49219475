"""OpenTelemetry: a span for each submit and each attempt, and the trace that leads from one to the other.

``instrument()``, called by each process that submits or runs jobs: in ``ready()`` of an app. Needs the extra
``otel``; the SDK and its exporters are the project's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TracerProvider

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import LiveJob
from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.outcome import Outcome
from upnext_django.declare import surroundings
from upnext_django.declare.current import RunningJob

__all__ = ["Tracing", "instrument"]

_Token = tuple[trace.Span, Any]


def instrument(tracer_provider: TracerProvider | None = None) -> Tracing:
    """Have all submits and attempts of this process traced, by the global provider unless one is given."""
    tracing = Tracing(tracer_provider)
    surroundings.add(tracing)
    return tracing


class Tracing:
    """Spans by the semantic conventions of messaging: ``create`` at the submit, ``process`` for an attempt.

    The attempt of a job that somebody waited for, and of a job below another, belongs to the trace of its
    submit. One that nobody waits for begins a trace of its own and links to that of its submit: it may run
    days later.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("upnext_django", tracer_provider=tracer_provider)

    def uninstrument(self) -> None:
        """Trace no more."""
        surroundings.remove(self)

    def submitting(self, definition: TaskDefinition, queue: str) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        with self._tracer.start_as_current_span(
            f"create {definition.function}",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "upnext",
                "messaging.operation.type": "create",
                "messaging.operation.name": "submit",
                "messaging.destination.name": queue,
                "upnext.function": definition.function,
            },
        ):
            propagate.inject(carrier)
        return carrier

    def entered(self, job: RunningJob, carries: Mapping[str, str]) -> _Token:
        parent = propagate.extract(carries, context=Context())
        links = []
        if not job.is_awaited and job.parent_id is None:
            submit = trace.get_current_span(parent).get_span_context()
            links = [Link(submit)] if submit.is_valid else []
            parent = trace.set_span_in_context(trace.INVALID_SPAN, parent)
        span = self._tracer.start_span(
            f"process {job.function}",
            context=parent,
            kind=SpanKind.CONSUMER,
            links=links,
            attributes={
                "messaging.system": "upnext",
                "messaging.operation.type": "process",
                "messaging.operation.name": "run",
                "messaging.destination.name": job.queue,
                "messaging.message.id": job.id,
                "messaging.client.id": job.worker_id,
                "upnext.function": job.function,
                "upnext.root_id": job.root_id,
                "upnext.attempt": job.attempt,
                "upnext.max_attempts": job.max_attempts,
            },
        )
        return span, contexts.attach(trace.set_span_in_context(span, parent))

    def failed(self, token: _Token, job: RunningJob, error: BaseException, outcome: Outcome) -> None:
        """Say nothing: what may be told of the error is in the outcome."""

    def ended_unseen(self, job: LiveJob) -> None:
        """Say nothing: the span of its attempt died with its process."""

    def left(self, token: _Token, job: RunningJob, outcome: Outcome | None) -> None:
        span, attached = token
        span.set_attribute("upnext.status", "handed_back" if outcome is None else outcome.status.value)
        if outcome is not None and outcome.status in (JobStatus.FAILED, JobStatus.RETRYING):
            data = outcome.data
            # Not record_exception(): its texts may have what must not be told, these are masked.
            span.add_event(
                "exception",
                {
                    "exception.type": data.error_type or "",
                    "exception.message": data.error or "",
                    "exception.stacktrace": data.traceback or "",
                },
            )
            span.set_attribute("error.type", data.error_type or "timeout")
            span.set_status(Status(StatusCode.ERROR, data.error))
        span.end()
        contexts.detach(attached)
