"""Sync tasks in processes of their own: killed in time, replaced, and no worker dies with them."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import upnext_django as upnext
from tests.fleet import pooled, slow_pool
from tests.fleet.processes import Fleet
from tests.timing import fastest_of_three
from tests.waiting import wait_until
from upnext_django.exceptions import TaskExecutionError, TaskTimeoutError

START_S = 20.0  # of a worker and then of a process of its pool, on a busy machine
POOLED: dict[str, Any] = {"modules": ("tests.fleet.pooled",), "workers": ("pooled",)}


def is_running(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def seconds_it_ran(fleet: Fleet, job_id: str) -> float:
    job = fleet.job(job_id)
    assert job.started_ms is not None
    assert job.completed_ms is not None
    return (job.completed_ms - job.started_ms) / 1000


# -- where it runs


def test_a_task_runs_in_a_child_of_the_worker_which_stays_for_the_next(fleet: Fleet):
    worker = fleet.start(**POOLED, concurrency=1)

    pid, parent = pooled.where.options(wait_timeout=START_S).wait_sync().value

    assert parent == worker.pid
    assert pooled.where.options(wait_timeout=START_S).wait_sync().value == [pid, parent]
    assert worker.stop() == 0
    wait_until(lambda: not is_running(pid), "the child has ended with its worker")


def test_there_are_as_many_processes_as_the_pool_has_places(fleet: Fleet):
    fleet.start(**POOLED, concurrency=6)
    futures = [pooled.hold.submit(gate) for gate in "aaaaaa"]
    fleet.ledger.wait_for("begun", 2, START_S)

    fleet.ledger.open("a")

    assert len({future.value_sync(timeout=START_S) for future in futures}) == 2


def test_signals_that_are_its_workers_do_not_end_a_task(fleet: Fleet):
    """systemd's KillMode=control-group and a terminal's Ctrl-C reach the children too."""
    fleet.start(**POOLED)

    result = pooled.hear_signals.options(wait_timeout=START_S).wait_sync()

    assert result.value == "it hears no signal that is its worker's"


# -- timeouts and cancels


def test_at_its_timeout_a_task_may_clean_up_and_its_process_works_on(fleet: Fleet):
    fleet.start(**POOLED, concurrency=1)
    pid, _ = pooled.where.options(wait_timeout=START_S).wait_sync().value
    future = pooled.sleep_too_long.submit_sync()

    with pytest.raises(TaskTimeoutError, match=r"0\.3 seconds") as caught:
        future.result_sync(timeout=START_S)

    assert (caught.value.error, caught.value.status) == ("0.3 seconds", "failed")
    assert fleet.ledger.words() == ["begun", "cleaned-up"]
    assert 0.3 <= seconds_it_ran(fleet, future.job_id) < 5.3
    assert pooled.where.options(wait_timeout=START_S).wait_sync().value[0] == pid


def test_a_task_that_nothing_interrupts_is_killed_and_its_hooks_run_in_the_process_that_replaces_it(
    fleet: Fleet,
):
    fleet.start(**POOLED)
    pooled.where.options(wait_timeout=START_S).wait_sync()
    future = pooled.stick.submit_sync()

    with pytest.raises(TaskTimeoutError, match=r"0\.3 seconds"):
        future.result_sync(timeout=START_S)

    assert seconds_it_ran(fleet, future.job_id) < 5.3
    fleet.ledger.wait_for("on_complete", 1, START_S)
    assert fleet.ledger.words() == ["begun", "on_failure", "on_complete"]
    begun, *hooks = (line.pid for line in fleet.ledger.lines())
    assert begun not in hooks
    assert not is_running(begun)


def test_a_blocked_loop_does_not_keep_a_process_from_its_timeout(fleet: Fleet):
    fleet.start(**POOLED)
    pooled.where.options(wait_timeout=START_S).wait_sync()
    future = pooled.sleep_too_long.options(timeout=1.0).submit_sync()
    fleet.ledger.wait_for("begun", 1, START_S)
    blocker = pooled.block_the_loop.submit_sync(8.0)

    with pytest.raises(TaskTimeoutError, match=r"1\.0 seconds"):
        future.result_sync(timeout=START_S)

    assert seconds_it_ran(fleet, future.job_id) < 1.0 + 5.0
    fleet.ledger.wait_for("cleaned-up", 1)
    blocker.result_sync(timeout=START_S)
    assert pooled.where.options(wait_timeout=START_S).wait_sync().value


def test_a_killed_task_takes_along_the_programs_that_it_started(fleet: Fleet):
    fleet.start(**POOLED)
    future = pooled.wait_for_a_program.options(timeout=2.0).submit_sync()

    with pytest.raises(TaskTimeoutError):
        future.result_sync(timeout=START_S)

    (word,) = fleet.ledger.words()
    program = int(word.removeprefix("program-"))
    wait_until(lambda: not is_running(program), "the program has ended")


def test_the_start_of_a_process_does_not_count_as_the_tasks_time(fleet: Fleet):
    """The deadline began with the slot: a pool's first job timed out before it had begun."""
    fleet.start(modules=("tests.fleet.slow_pool",), workers=("slow_pool",))

    futures = [slow_pool.add.options(timeout=2.0).submit_sync(number, 1) for number in range(2)]

    assert [future.value_sync(timeout=START_S) for future in futures] == [1, 2]


def test_a_task_that_looks_at_is_cancelled_ends_by_itself(fleet: Fleet):
    fleet.start(**POOLED)
    future = pooled.until_cancelled.submit_sync()
    fleet.ledger.wait_for("begun", 1, START_S)

    assert future.cancel_sync()

    wait_until(lambda: future.status_sync() == "cancelled", "the job is cancelled")
    assert fleet.ledger.words() == ["begun", "noticed"]


def test_a_task_that_does_not_look_is_killed_within_two_seconds(fleet: Fleet):
    fleet.start(**POOLED)

    def ms_until_cancelled() -> int:
        before = fleet.ledger.count("begun")
        future = pooled.stick_for_ever.submit_sync()
        fleet.ledger.wait_for("begun", before + 1, START_S)
        pid = fleet.ledger.lines("begun")[-1].pid
        asked_ms = fleet.now_ms()
        assert future.cancel_sync()
        wait_until(lambda: future.status_sync() == "cancelled", "the job is cancelled")
        completed_ms = fleet.job(future.job_id).completed_ms
        assert completed_ms is not None
        assert not is_running(pid)
        fleet.ledger.wait_for("on_complete", before + 1, START_S)
        return completed_ms - asked_ms

    assert fastest_of_three(ms_until_cancelled, 2500) < 2500


# -- deaths


def test_a_segfault_kills_neither_the_worker_nor_a_neighbour_and_ends_in_the_dead_letters(fleet: Fleet):
    worker = fleet.start(**POOLED)
    neighbour = pooled.hold.submit_sync("end")
    fleet.ledger.wait_for("begun", 1, START_S)
    pill = pooled.segfault.submit_sync()

    with pytest.raises(TaskExecutionError, match="WorkerLost"):
        pill.result_sync(timeout=4 * START_S)

    fleet.ledger.open("end")
    assert neighbour.value_sync(timeout=START_S)
    job = fleet.job(pill.job_id)
    assert (job.status, job.crashes, job.attempts) == ("failed", 4, 1)
    assert fleet.ledger.count("begun") == 1 + 4
    assert fleet.dead_letters("pooled") == [pill.job_id]
    assert not worker.has_ended()
    assert "was killed by SIGSEGV" in worker.log()
    logged = str([move.data for move in fleet.moves("pooled") if move.job_id == pill.job_id])
    assert "about to fall" in logged
    assert "was killed by SIGSEGV" in logged


def test_the_job_of_a_process_that_died_runs_again_without_waiting_for_a_lease(fleet: Fleet):
    fleet.configure(lease_s=60.0)
    fleet.start(**POOLED)
    future = pooled.exit_at_first.submit_sync()

    second = future.value_sync(timeout=START_S)

    first = fleet.ledger.lines("begun")[0].pid
    assert second != first
    job = fleet.job(future.job_id)
    assert (job.attempts, job.crashes) == (1, 1)
    assert fleet.ledger.count("on_failure") == 0


def test_children_die_with_a_killed_worker_and_their_jobs_are_taken_over(fleet: Fleet):
    worker = fleet.start(**POOLED)
    futures = [pooled.hold.submit_sync("end"), pooled.stick_for_ever.submit_sync()]
    fleet.ledger.wait_for("begun", 2, START_S)
    pids = {line.pid for line in fleet.ledger.lines("begun")}

    worker.kill()

    # On other systems one that hangs in a call ends with that call.
    ended = pids if sys.platform == "linux" else {fleet.ledger.lines("begun")[0].pid}
    wait_until(lambda: not any(map(is_running, ended)), "the children are gone", 5.0)
    fleet.ledger.open("end")
    fleet.start(**POOLED)
    assert futures[0].value_sync(timeout=fleet.lease_s + START_S)
    assert fleet.job(futures[0].job_id).crashes == 1
    futures[1].cancel_sync()


# -- shutdown


def test_at_shutdown_a_job_that_does_not_end_is_killed_and_handed_back(fleet: Fleet):
    worker = fleet.start(**POOLED, shutdown_timeout_s=0.5)
    future = pooled.hold.submit_sync("end")
    fleet.ledger.wait_for("begun", 1, START_S)
    pid = fleet.ledger.lines("begun")[0].pid

    assert worker.stop() == 0

    assert not is_running(pid)
    job = fleet.job(future.job_id)
    assert (job.status, job.attempts, job.handbacks, job.crashes) == ("queued", 0, 1, 0)
    fleet.ledger.open("end")
    fleet.start(**POOLED)
    assert future.value_sync(timeout=START_S) != pid


def test_at_shutdown_a_running_job_has_time_to_end(fleet: Fleet):
    worker = fleet.start(**POOLED, shutdown_timeout_s=20.0)
    future = pooled.hold.submit_sync("end")
    fleet.ledger.wait_for("begun", 1, START_S)

    worker.send(signal.SIGTERM)
    wait_until(lambda: "stopping:" in worker.log(), "the worker drains")
    fleet.ledger.open("end")

    assert worker.exit_code() == 0
    assert future.value_sync(timeout=START_S) == fleet.ledger.lines("begun")[0].pid


# -- children of jobs


def test_a_parent_that_waits_gives_its_place_back(fleet: Fleet):
    fleet.start(**POOLED, concurrency=1)

    assert pooled.spread.options(wait_timeout=START_S).wait_sync(4).value == 10
    assert pooled.deep.options(wait_timeout=2 * START_S).wait_sync(4).value == 4


def test_processes_beyond_the_pool_end_when_the_waits_are_over(fleet: Fleet):
    worker = fleet.start(**POOLED, concurrency=1)
    assert pooled.deep.options(wait_timeout=2 * START_S).wait_sync(4).value == 4

    def children() -> int:
        count = 0
        for task in Path(f"/proc/{worker.pid}/task").iterdir():
            with suppress(FileNotFoundError):  # a thread that has ended meanwhile
                count += len((task / "children").read_text().split())
        return count

    if sys.platform == "linux":
        # One more is multiprocessing's own, which looks after shared resources.
        wait_until(lambda: children() <= 2 + 1, "as many processes as places are left", START_S)
    assert pooled.where.options(wait_timeout=START_S).wait_sync().value[1] == worker.pid


def test_more_waiting_processes_than_allowed_get_an_error_that_names_the_setting(fleet: Fleet):
    fleet.configure(max_waiting_processes=1)
    fleet.start(**POOLED, concurrency=4)
    futures = [pooled.wait_for_a_gate.submit_sync("end") for _ in range(2)]

    def refused() -> list[upnext.Future[int]]:
        return [future for future in futures if future.status_sync() == "failed"]

    (second,) = wait_until(refused, "one of two that wait is refused", 2 * START_S)
    with pytest.raises(TaskExecutionError, match=r"MAX_WAITING_PROCESSES.*Make the waiting task async"):
        second.result_sync(timeout=START_S)
    fleet.ledger.open("end")
    (first,) = (future for future in futures if future is not second)
    assert first.value_sync(timeout=START_S) == 1


# -- what a job says


def test_the_context_works_across_the_boundary(fleet: Fleet):
    worker = fleet.start(**POOLED)
    future = pooled.tell.options(meta={"tenant": "acme"}).submit_sync()

    told = future.value_sync(timeout=START_S)

    job, child = fleet.job(future.job_id), fleet.job(told["child"])
    assert told["job_id"] == future.job_id
    assert str(worker.pid) in told["worker_id"]
    assert told["meta"] == {"tenant": "acme"}
    assert told["checkpoint"] == {"step": 1}
    assert (job.progress, job.progress_message) == (50.0, "half")
    assert child.envelope.parent_id == future.job_id
    logged = str([move.data for move in fleet.moves("pooled")])
    assert "by hand" in logged
    assert "by logging" in logged


def test_a_retry_finds_the_checkpoint_of_the_attempt_before(fleet: Fleet):
    fleet.start(**POOLED)

    result = pooled.go_on_from_the_checkpoint.options(wait_timeout=START_S).wait_sync()

    assert (result.value, result.attempts) == ({"done": 7}, 2)


def test_hooks_run_where_the_function_runs(fleet: Fleet):
    fleet.start(**POOLED)

    pooled.with_hooks.options(wait_timeout=START_S).wait_sync()

    assert fleet.ledger.words() == ["on_start-1", "ran", "on_success-async"]
    assert len({line.pid for line in fleet.ledger.lines()}) == 1


def test_a_result_that_json_does_not_know_fails_the_job_and_says_so(fleet: Fleet):
    fleet.start(**POOLED)

    with pytest.raises(TaskExecutionError, match=r"ArgumentError: .*return value"):
        pooled.unencodable.options(wait_timeout=START_S).wait_sync()
