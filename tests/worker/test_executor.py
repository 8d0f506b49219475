"""An attempt that is ended between its start and its first step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from tests.fleet import odd
from upnext_django.broker.broker import Broker
from upnext_django.broker.scripts.claim import ClaimedJob
from upnext_django.core.environment import Environment
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope
from upnext_django.runtime.attempt import Attempt, End
from upnext_django.runtime.consumer import Consumer
from upnext_django.runtime.executor import Executor
from upnext_django.runtime.reporter import Reporter
from upnext_django.runtime.scope import NoScope
from upnext_django.runtime.settler import Settler


@pytest.fixture
def broker(environment: Environment) -> Iterator[Broker]:
    broker = Broker(environment)
    yield broker
    broker.close()


def test_an_attempt_cancelled_before_its_first_step_ends(broker: Broker):
    """asyncio throws it in before the body's first line: nothing of it ran, so nothing ended the attempt."""

    async def start_and_cancel() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        reporter = Reporter(loop)
        executor = Executor(broker, Settler(broker, reporter, lambda: False), reporter, NoScope(), loop)
        definition = odd.napping.definition
        consumer = Consumer(
            "odd",
            worker_id="w",
            functions={"odd": {definition.function: definition}},
            capacity=1,
            prefetch=None,
            threads=1,
            broker=broker,
            executor=executor,
            reporter=reporter,
            loop=loop,
        )
        envelope = Envelope(function=definition.function)
        claimed = ClaimedJob(
            id=new_job_id("odd"),
            stream=f"stream:{definition.function}:1",
            token=1,
            attempt=1,
            first_ms=1,
            started_ms=1,
            envelope=msgspec.json.encode(envelope),
            checkpoint=b"",
        )
        attempt = Attempt(claimed, "odd", envelope, definition, consumer)
        executor.held[attempt.id] = attempt
        consumer.slots.take()
        executor.start(attempt)

        executor.end(attempt.id, End.CANCEL)
        assert attempt.task is not None
        await asyncio.wait({attempt.task})
        return len(executor.held), consumer.slots.used

    assert asyncio.run(start_and_cancel()) == (0, 0)
