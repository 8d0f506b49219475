"""What a task may do without hurting anybody but itself."""

from __future__ import annotations

import msgspec
import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.declare.bulk import submit_many
from upnext_django.exceptions import TaskExecutionError

START_S = 10.0


@pytest.mark.parametrize(
    ("task", "error"),
    [
        (jobs.leave, "SystemExit"),
        (jobs.leave_in_thread, "SystemExit"),
        (jobs.leave_from_inner_task, "SystemExit"),
        (jobs.interrupt, "KeyboardInterrupt"),
        (jobs.interrupt_in_thread, "KeyboardInterrupt"),
    ],
)
def test_a_task_that_wants_to_leave_fails_and_the_worker_stays(fleet: Fleet, task, error: str):
    worker = fleet.start()

    with pytest.raises(TaskExecutionError, match=error):
        task.options(wait_timeout=START_S).wait_sync()

    assert jobs.add.options(wait_timeout=START_S).wait_sync(1, 2).value == 3
    assert worker.stop() == 0


@pytest.mark.parametrize("task", [jobs.unsendable, jobs.unsendable_in_thread], ids=["async", "sync"])
def test_a_result_that_cannot_be_sent_fails_the_job_and_says_so(fleet: Fleet, task):
    fleet.start()

    with pytest.raises(TaskExecutionError, match=r"ArgumentError.*return value") as raised:
        task.options(wait_timeout=START_S).wait_sync()

    assert raised.value.status == "failed"


def test_a_job_that_cannot_be_read_fails_alone(fleet: Fleet):
    fleet.start(concurrency=10)
    function = jobs.add.name
    envelopes = [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"fn":7}',
        msgspec.json.encode(Envelope(function="somebody.elses")),
        msgspec.json.encode(Envelope(function=function, args=msgspec.Raw(b'["x"]'))),
        msgspec.json.encode(Envelope(function=function, args=msgspec.Raw(b"[[1,2,3,4],{}]"))),
    ]
    broken = [
        NewJob(id=new_job_id("quick"), queue="quick", function=function, envelope=raw, shown=b"{}")
        for raw in envelopes
    ]

    fleet.broker.submit_sync(broken)
    whole = [jobs.add.submit(number, 1) for number in range(20)]

    assert [future.value_sync(timeout=START_S) for future in whole] == list(range(1, 21))
    ids = [job.id for job in broken]
    fleet.wait_for_all("quick", ids, START_S)
    assert sorted(fleet.dead_letters("quick")) == sorted(ids)
    assert max(fleet.endings("quick").values()) == 1


def test_ten_thousand_jobs_leave_nothing_behind_in_the_worker(fleet: Fleet):
    fleet.start(concurrency=100)
    before = jobs.census.options(wait_timeout=START_S).wait_sync().value
    number = 10_000

    futures = submit_many(jobs.add, [(n, n) for n in range(number // 2)])
    futures += submit_many(jobs.add_in_thread, [(n, n) for n in range(number // 2)])
    fleet.wait_for_all("quick", [future.job_id for future in futures], 60.0)

    after = jobs.census.options(wait_timeout=START_S).wait_sync().value
    grown = {kind: after[kind] - before[kind] for kind in before}
    assert max(grown.values()) <= 5, grown
