"""The examples of aioq's guide to tasks do here what that guide says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.fundamentals.seed_aioq import (
    app,
    compute,
    flaky_api_call,
    my_task,
    my_task_with_context,
    my_task_with_options,
    parent_task,
    send_email,
)
from tests.waiting import await_until
from tests.workers import RunningWorker
from upnext_django import get_job
from upnext_django.contrib.aioq import Job, JobStatus

TASKS = "tests.fundamentals.seed_aioq"

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def url() -> Iterator[str]:
    """Give the address of a server that is away once, then answers ``{"ok": true}``."""
    answers = iter([503])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(answers, 200))
            self.end_headers()
            self.wfile.write(b'{"ok": true}')

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_enqueue_gives_a_job_that_runs(worker: RunningWorker):
    job = await my_task.enqueue("hello")

    assert (job.task_name, job.queue, job.args, job.status) == (my_task.name, "default", ["hello"], "pending")
    worker.wait_for("Running: hello")
    ended = await ended_job(job.id)
    assert (ended.status, ended.result) == (JobStatus.completed, None)  # save_result is off


async def test_the_defaults_are_those_of_the_guide():
    for task in (my_task, my_task_with_options):
        assert task.definition.retries == 0
        assert task.definition.retry_delay == 5.0
        assert not task.definition.save_result
        assert task.definition.result_ttl == 3600


async def test_the_context(worker: RunningWorker):
    await my_task_with_context.enqueue("a", arg2="b")

    worker.wait_for("[a b] True True running")


async def test_a_task_enqueues_others(worker: RunningWorker):
    await parent_task.enqueue(3)

    for i in range(3):
        worker.wait_for(f"[child {i} of")


async def test_a_task_that_raises_is_retrying_until_its_delay_is_over(url: str):
    job = await flaky_api_call.enqueue(url)

    waiting = await seen_job(job.id, {JobStatus.retrying})
    assert (waiting.retries, waiting.max_retries, waiting.retry_delay) == (1, 5, 30.0)
    assert waiting.run_at is not None
    assert waiting.started_at is not None
    assert waiting.run_at - waiting.started_at >= timedelta(seconds=30)
    assert await app.broker.cancel_job(job.id)
    assert (await ended_job(job.id)).status == "cancelled"


async def test_a_result_that_is_saved():
    job = await compute.enqueue(n=5)

    ended = await ended_job(job.id)

    assert (ended.result, ended.save_result, ended.error) == (25, True, None)


def test_the_name_of_a_task():
    assert send_email.name == "tests.fundamentals.seed_aioq.send_email"


async def ended_job(job_id: str) -> Job:
    return await seen_job(job_id, {JobStatus.completed, JobStatus.failed, JobStatus.cancelled})


async def seen_job(job_id: str, statuses: set[JobStatus]) -> Job:
    """Return the job when it has one of ``statuses``."""
    seen = f"the job is {' or '.join(statuses)}"
    await await_until(lambda: Job.of(get_job(job_id)).status in statuses, seen)
    job = await app.broker.get_job(job_id)
    assert job is not None
    return job
