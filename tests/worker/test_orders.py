"""Orders to a worker process: quiet, take work again, stop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fleet import jobs
from tests.fleet.processes import Fleet, WorkerHandle
from tests.waiting import wait_until
from upnext_django.broker.operator import Order
from upnext_django.declare.bulk import submit_many
from upnext_django.exceptions import WorkerNotFound
from upnext_django.operations import waiting, workers

START_S = 15.0


def about(fleet: Fleet, worker: WorkerHandle) -> dict[str, Any]:
    """Return what the registry says of a worker."""
    [found] = [one for one in fleet.broker.workers().values() if one["pid"] == worker.pid]
    return found


def wait_for_state(fleet: Fleet, worker: WorkerHandle, state: str) -> None:
    wait_until(lambda: about(fleet, worker)["state"] == state, f"the worker says {state}", START_S)


def test_a_quiet_worker_ends_what_it_runs_and_takes_no_more(fleet: Fleet):
    worker = fleet.start_ready()
    running = jobs.hold.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    workers.quiet(about(fleet, worker)["id"])
    wait_for_state(fleet, worker, "quiet")
    later = [jobs.add.submit(1, 2), jobs.work_in_thread.submit(1)]
    fleet.ledger.open("end")

    assert running.value_sync(timeout=START_S) == worker.pid
    other = fleet.start_ready()
    assert later[0].value_sync(timeout=START_S) == 3
    fleet.wait_for_all("quick", [future.job_id for future in later], START_S)
    assert {line.pid for line in fleet.ledger.lines("work")} == {other.pid}


def test_what_waits_for_a_quiet_worker_says_so_and_runs_when_it_takes_work_again(fleet: Fleet):
    worker = fleet.start_ready()
    worker_id = about(fleet, worker)["id"]
    workers.quiet(worker_id)
    wait_for_state(fleet, worker, "quiet")
    future = jobs.add.submit(1, 2)

    standing = waiting.why(future.job_id)
    assert standing.reason == "no_worker"
    assert worker_id in standing.text

    workers.resume(worker_id)
    assert future.value_sync(timeout=START_S) == 3
    wait_for_state(fleet, worker, "running")


def test_what_a_quiet_worker_had_claimed_ahead_runs_elsewhere(fleet: Fleet):
    first = fleet.start_ready(workers=["ahead"], concurrency=1)
    jobs.hold.options(queue="ahead").submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the first job runs", START_S)
    ahead = submit_many(jobs.say.options(queue="ahead"), [("ran",) for _ in range(4)])
    ids = [future.job_id for future in ahead]
    wait_until(lambda: set(ids) <= fleet.claimed("ahead"), "the others are claimed ahead", START_S)

    workers.quiet(about(fleet, first)["id"])

    second = fleet.start(workers=["ahead"])
    fleet.wait_for_all("ahead", ids, START_S)
    assert {line.pid for line in fleet.ledger.lines("ran")} == {second.pid}
    assert {(job.attempts, job.crashes) for job in fleet.jobs(ids).values()} == {(1, 0)}


def test_an_order_to_stop_is_a_sigterm_and_a_second_one_cuts_nothing_short(fleet: Fleet):
    worker = fleet.start_ready()
    future = jobs.hold.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)
    worker_id = about(fleet, worker)["id"]

    workers.stop(worker_id)
    wait_for_state(fleet, worker, "stopping")
    workers.stop(worker_id)
    workers.quiet(worker_id)
    workers.resume(worker_id)
    fleet.ledger.open("end")

    assert worker.exit_code() == 0
    assert fleet.job(future.job_id).status == "complete"
    assert fleet.ledger.words() == ["begun", "ended"]


def test_a_quiet_worker_stops_at_a_signal(fleet: Fleet):
    worker = fleet.start_ready()
    workers.quiet(about(fleet, worker)["id"])
    wait_for_state(fleet, worker, "quiet")

    assert worker.stop() == 0


def test_one_order_reaches_all_queues_of_a_worker(fleet: Fleet):
    worker = fleet.start_ready(workers=["quick", "other"])
    worker_id = about(fleet, worker)["id"]
    queues = about(fleet, worker)["queues"]
    assert len(queues) > 1

    workers.quiet(worker_id)
    workers.quiet(worker_id)
    wait_for_state(fleet, worker, "quiet")
    futures = [jobs.say.options(queue=queue).submit("ran") for queue in queues]
    fresh = fleet.start(workers=["quick", "other"])

    for queue, future in zip(queues, futures, strict=True):
        fleet.wait_for_all(queue, [future.job_id], START_S)
    assert {line.pid for line in fleet.ledger.lines("ran")} == {fresh.pid}


def test_a_worker_that_has_ended_cannot_be_told(fleet: Fleet):
    worker = fleet.start_ready()
    worker_id = about(fleet, worker)["id"]
    assert worker.stop() == 0

    for order in (workers.quiet, workers.resume, workers.stop):
        with pytest.raises(WorkerNotFound, match=worker_id):
            order(worker_id)


def test_an_order_to_another_process_or_of_another_version_is_ignored(fleet: Fleet):
    worker = fleet.start_ready()
    operator = fleet.broker.operator
    operator.order_sync("somebody-else", "quick", Order.STOP)
    with fleet.broker.clients.sync() as link:
        inbox = fleet.broker.keys("quick").inbox(about(fleet, worker)["id"])
        link.pipeline([[b"XADD", inbox, b"*", b"order", b"dance"], [b"PEXPIRE", inbox, 60_000]])

    assert jobs.add.submit(1, 2).value_sync(timeout=START_S) == 3
    assert about(fleet, worker)["state"] == "running"


def test_a_quiet_burst_ends_when_what_it_runs_has_ended(fleet: Fleet):
    running = jobs.hold.submit("end")
    worker = fleet.start_ready(burst=True, concurrency=1)
    waiting_job = jobs.add.submit(1, 2)
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    workers.quiet(about(fleet, worker)["id"])
    wait_for_state(fleet, worker, "quiet")
    fleet.ledger.open("end")

    assert worker.exit_code() == 0
    assert fleet.job(running.job_id).status == "complete"
    assert fleet.job(waiting_job.job_id).status == "queued"
