"""OpenTelemetry: one trace from the view to the last child, as an exporter in memory has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.contrib import surrounded
from tests.waiting import wait_until
from upnext_django import TaskExecutionError, submit_many
from upnext_django.contrib import otel
from upnext_django.runtime.process import WorkerProcess

PATIENCE_S = 20.0


class Traces:
    """What was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("the project")

    def named(self, name: str, count: int = 1) -> list[ReadableSpan]:
        """Return the spans of that name, once there are so many."""

        def found() -> list[ReadableSpan]:
            spans = [one for one in self._exporter.get_finished_spans() if one.name == name]
            return spans if len(spans) >= count else []

        return wait_until(found, f"there are {count} spans named {name}", PATIENCE_S)

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


@pytest.fixture
def traces(worker: WorkerProcess) -> Iterator[Traces]:
    traces = Traces()
    tracing = otel.instrument(traces.provider)
    yield traces
    tracing.uninstrument()


def below(span: ReadableSpan, other: ReadableSpan) -> bool:
    """Return whether ``span`` is a child of ``other``."""
    assert other.context is not None
    return span.parent is not None and span.parent.span_id == other.context.span_id


def test_view_parent_and_child_are_one_trace(traces: Traces):
    def view(request: HttpRequest) -> HttpResponse:
        with traces.tracer.start_as_current_span("GET /order", kind=SpanKind.SERVER):
            return HttpResponse(str(surrounded.parent.wait_sync(1).value))

    assert view(RequestFactory().get("/order")).content == b"2"

    process_child = traces.one(f"process {surrounded.child.name}")
    process_parent = traces.one(f"process {surrounded.parent.name}")
    chain = [
        traces.one("GET /order"),
        traces.one(f"create {surrounded.parent.name}"),
        process_parent,
        traces.one(f"create {surrounded.child.name}"),
        process_child,
    ]
    assert [below(span, other) for span, other in zip(chain[1:], chain, strict=False)] == [True] * 4
    assert len({span.context.trace_id for span in chain if span.context}) == 1
    assert [span.kind for span in chain[1:3]] == [SpanKind.PRODUCER, SpanKind.CONSUMER]
    assert [len(span.links) for span in chain] == [0] * 5


def test_a_job_that_nobody_waits_for_has_a_trace_of_its_own_and_a_link(traces: Traces):
    with traces.tracer.start_as_current_span("GET /order"):
        surrounded.child.submit_sync(1)

    span, submit = (
        traces.one(f"process {surrounded.child.name}"),
        traces.one(f"create {surrounded.child.name}"),
    )
    assert span.parent is None
    assert [link.context.span_id for link in span.links] == [submit.context and submit.context.span_id]
    assert span.context is not None and submit.context is not None  # noqa: PT018
    assert span.context.trace_id != submit.context.trace_id


def test_a_span_says_which_job_it_is_of(traces: Traces):
    result = surrounded.child.wait_sync(1)

    attributes = traces.one(f"process {surrounded.child.name}").attributes
    assert attributes is not None
    assert attributes["messaging.message.id"] == result.job_id
    assert attributes["messaging.destination.name"] == "surrounded"
    assert attributes["upnext.attempt"] == 1
    assert attributes["upnext.status"] == "complete"


def test_each_attempt_has_a_span_and_tells_its_error(traces: Traces):
    assert surrounded.recovers.wait_sync().value == 2

    first, second = traces.named(f"process {surrounded.recovers.name}", 2)
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "Spoilt: the first time"
    assert [event.attributes and event.attributes["exception.type"] for event in first.events] == ["Spoilt"]
    assert second.status.status_code is StatusCode.UNSET
    assert second.attributes is not None
    assert second.attributes["upnext.attempt"] == 2


def test_sensitive_arguments_are_in_no_span(traces: Traces):
    with pytest.raises(TaskExecutionError):
        surrounded.charges.wait_sync("tulip rose tulip")

    span = traces.one(f"process {surrounded.charges.name}")
    assert [event.name for event in span.events] == ["exception"]
    assert "tulip" not in span.to_json()


def test_a_timeout_is_an_error_too(traces: Traces):
    with pytest.raises(TaskExecutionError):
        surrounded.hangs.wait_sync()

    assert traces.one(f"process {surrounded.hangs.name}").status.status_code is StatusCode.ERROR


def test_many_jobs_of_one_submit_share_its_span(traces: Traces):
    for future in submit_many(surrounded.child, [(number,) for number in range(5)]):
        future.value_sync(timeout=PATIENCE_S)

    assert len(traces.named(f"process {surrounded.child.name}", 5)) == 5
    assert len(traces.named(f"create {surrounded.child.name}")) == 1


def test_without_it_jobs_carry_nothing(worker: WorkerProcess):
    from upnext_django.declare.options import NO_OVERRIDES
    from upnext_django.declare.submission import Submission

    job = Submission(surrounded.child.definition, NO_OVERRIDES).job((1,), {})

    assert b"carries" not in job.envelope
