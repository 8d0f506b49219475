"""Which worker runs which job, and when."""

from __future__ import annotations

import pytest

from tests.fleet import jobs, late
from tests.fleet.processes import Fleet
from tests.timing import fastest_of_three
from tests.waiting import wait_until
from upnext_django.declare.bulk import submit_many
from upnext_django.exceptions import TaskExecutionError

START_S = 10.0
BOTH = ("tests.fleet.jobs", "tests.fleet.late")


def test_a_function_that_nobody_knows_waits_for_a_worker_that_does(fleet: Fleet):
    fleet.start()
    future = late.greet.submit("Ada")
    assert jobs.add.options(wait_timeout=START_S).wait_sync(1, 2).value == 3
    assert future.status_sync() == "queued"

    fleet.start(modules=BOTH, workers=["late"])

    assert future.value_sync(timeout=START_S) == "hello Ada"


def test_two_workers_share_a_queue(fleet: Fleet):
    workers = [fleet.start(concurrency=2), fleet.start(concurrency=2)]

    futures = [jobs.meet.submit(4) for _ in range(4)]

    pids = sorted(future.value_sync(timeout=START_S) for future in futures)
    assert pids == sorted([workers[0].pid, workers[0].pid, workers[1].pid, workers[1].pid])


def test_one_process_serves_several_workers_and_their_queues(fleet: Fleet):
    fleet.start(modules=BOTH, workers=None)

    ids = {
        jobs.elsewhere.options(wait_timeout=START_S).wait_sync().value,
        jobs.on_the_side.options(wait_timeout=START_S).wait_sync().value,
    }

    assert len(ids) == 1
    assert late.greet.options(wait_timeout=START_S).wait_sync("Ada").value == "hello Ada"


def test_a_worker_serves_only_the_queues_it_was_told_to(fleet: Fleet):
    fleet.start(queues=["side"])
    future = jobs.add.submit(1, 2)

    jobs.on_the_side.options(wait_timeout=START_S).wait_sync()

    assert future.status_sync() == "queued"


def test_a_job_sent_to_another_queue_runs_on_the_worker_of_that_queue(fleet: Fleet):
    """Workers claimed only the functions declared for a queue, so options(queue=...) led nowhere."""
    fleet.start(workers=["other"])

    future = jobs.add.options(queue="other").submit(1, 2)

    assert future.value_sync(timeout=START_S) == 3


def test_a_worker_without_tasks_of_its_own_serves_its_queue(fleet: Fleet):
    """It registered no function and its heartbeat failed at every beat."""
    worker = fleet.start_ready(workers=["ahead"])

    assert jobs.add.options(queue="ahead").submit(1, 2).value_sync(timeout=START_S) == 3
    assert "failed" not in worker.log()


def test_a_higher_lane_goes_first_and_arrival_decides_within_it(fleet: Fleet):
    fleet.start(concurrency=1)
    gate = jobs.hold.submit("go")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the only slot is taken", START_S)
    submitted = [
        jobs.say.options(priority=priority).submit(f"{name}{number}")
        for name, priority in (("low", -50), ("mid", 0), ("high", 50))
        for number in range(3)
    ]

    fleet.ledger.open("go")
    gate.result_sync(timeout=START_S)
    for future in submitted:
        future.result_sync(timeout=START_S)

    ran = [word for word in fleet.ledger.words() if word not in ("begun", "ended")]
    assert ran == [f"{name}{number}" for name in ("high", "mid", "low") for number in range(3)]


def test_a_low_lane_does_not_starve(fleet: Fleet):
    fleet.start(concurrency=1)
    gate = jobs.hold.submit("go")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the only slot is taken", START_S)
    chase = jobs.chase.options(priority=50).submit(500)
    low = jobs.say.options(priority=-50).submit("low")

    fleet.ledger.open("go")
    gate.result_sync(timeout=START_S)
    chase.result_sync(timeout=START_S)
    low.result_sync(timeout=START_S)

    assert fleet.ledger.count("chase") <= 64


def test_delayed_jobs_start_on_time(fleet: Fleet):
    fleet.start_ready()
    delays = [0.3, 0.6, 0.9, 0.9, 1.2]

    def most_ms_late() -> float:
        late: list[float] = []
        futures = [jobs.add.options(delay=delay).submit(1, 2) for delay in delays]
        for future, delay in zip(futures, delays, strict=True):
            future.result_sync(timeout=START_S)
            job = fleet.job(future.job_id)
            assert job.started_ms is not None
            late.append(job.started_ms - job.created_ms - delay * 1000)
        assert min(late) >= 0
        return max(late)

    assert fastest_of_three(most_ms_late, 1000) < 1000


def test_a_job_that_was_not_begun_in_time_is_cancelled(fleet: Fleet):
    fleet.start(concurrency=1)
    gate = jobs.hold.submit("go")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the only slot is taken", START_S)
    expired = jobs.say.options(expires=0.2).submit("expired")
    kept = jobs.say.options(expires=60).submit("kept")
    created_ms = fleet.job(expired.job_id).created_ms
    late_job = jobs.say.options(delay=0.3).submit("late")
    wait_until(lambda: fleet.broker.job_sync(late_job.job_id) is not None, "it was submitted")

    wait_until(lambda: fleet.now_ms() > created_ms + 250, "it has expired")
    fleet.ledger.open("go")

    with pytest.raises(TaskExecutionError, match="cancelled"):
        expired.result_sync(timeout=START_S)
    kept.result_sync(timeout=START_S)
    late_job.result_sync(timeout=START_S)
    gate.result_sync(timeout=START_S)
    assert fleet.ledger.count("expired") == 0
    assert fleet.ledger.count("kept") == 1


def test_a_burst_ends_when_nothing_is_left_that_could_run(fleet: Fleet):
    futures = [jobs.work.submit(5) for _ in range(50)] + [
        jobs.spread.submit(5),
        jobs.work_in_thread.submit(50),
    ]
    unknown = late.greet.submit("Ada")

    worker = fleet.start(burst=True)

    assert worker.exit_code() == 0
    assert {future.status_sync() for future in futures} == {"complete"}
    assert unknown.status_sync() == "queued"


@pytest.mark.parametrize("queue", ["quick", "ahead"])
def test_what_two_long_jobs_keep_from_starting_runs_elsewhere(fleet: Fleet, queue: str):
    """ "quick" tunes how far it claims ahead, "ahead" is told to always claim five."""
    fleet.start_ready(workers=[queue], concurrency=2)
    for _ in submit_many(jobs.say.options(queue=queue), [("warm",) for _ in range(500)]):
        pass
    wait_until(lambda: fleet.ledger.count("warm") == 500, "the first worker is warm", START_S)
    held = [jobs.hold.options(queue=queue).submit("never") for _ in range(2)]
    wait_until(lambda: fleet.ledger.count("begun") == 2, "both slots are taken", START_S)
    short = [jobs.say.options(queue=queue).submit("short") for _ in range(10)]

    fleet.start(workers=[queue], concurrency=2)

    for future in short:
        future.result_sync(timeout=START_S)
    assert {future.status_sync() for future in held} == {"active"}
