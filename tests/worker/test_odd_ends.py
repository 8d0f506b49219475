"""Jobs that end in an odd moment, and what must not be left of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker.lab import Lab
from tests.fleet import odd
from tests.fleet.processes import Fleet
from tests.waiting import wait_until
from upnext_django.declare.bulk import submit_many
from upnext_django.embedded import EmbeddedValkey
from upnext_django.exceptions import TaskExecutionError, TaskTimeoutError

MODULES = ("tests.fleet.odd",)
WAIT_S = 10.0


@pytest.fixture
def odd_fleet(fleet: Fleet) -> Fleet:
    """Give the fleet with one worker of one slot."""
    fleet.start_ready(modules=MODULES, workers=("odd",))
    return fleet


def test_a_wait_that_outlives_its_job_takes_no_slot(odd_fleet: Fleet):
    """It came back when its job had ended, took a slot again and kept it until the process ended."""
    odd.leave_a_wait_behind.options(wait_timeout=WAIT_S).wait_sync()

    assert odd.add.options(wait_timeout=WAIT_S).wait_sync(1, 2).value == 3
    assert odd.add.options(wait_timeout=WAIT_S).wait_sync(3, 4).value == 7


def test_a_cancelled_parent_ends_though_its_child_has_the_slot(odd_fleet: Fleet):
    """It queued for a slot to be cancelled in: its child held the only one, for as long as it liked."""
    future = odd.parent.submit("never")
    wait_until(lambda: odd_fleet.ledger.count("begun"), "the child runs", WAIT_S)

    assert future.cancel_sync()

    with pytest.raises(TaskExecutionError):
        future.result_sync(timeout=WAIT_S)


def test_a_cancel_in_a_hook_ends_the_hook_and_the_job(odd_fleet: Fleet):
    """The cancellation left the attempt without ending it: its slot and its lease were kept for ever."""
    future = odd.hooked.submit()
    wait_until(lambda: odd_fleet.ledger.count("hook"), "the hook runs", WAIT_S)

    future.cancel_sync()

    assert future.result_sync(timeout=5.0).value == 5
    assert odd.add.options(wait_timeout=5.0).wait_sync(1, 2).value == 3


def test_a_hook_that_exits_takes_no_thread_with_it(odd_fleet: Fleet):
    """SystemExit in a hook ended the thread before it could say how its job had ended."""
    assert odd.hooked_in_thread.options(wait_timeout=5.0).wait_sync().value == 5


def test_an_attempt_that_wakes_late_does_not_end_the_next_one(odd_fleet: Fleet):
    """A stuck attempt was ended without it, its job retried here; waking, it took the second's place away."""
    future = odd.hang_once.submit("second")
    wait_until(lambda: odd_fleet.ledger.count("woke"), "the first attempt woke", 2 * WAIT_S)

    odd_fleet.ledger.open("second")

    assert future.result_sync(timeout=WAIT_S).value == 2
    assert odd_fleet.ledger.count("begun") == 2


def make_suspect(lab: Lab, function: str, job_id: str) -> None:
    """Let a waiting job crash two workers that never were."""
    for _ in range(2):
        lab.register(function)
        assert [job.id for job in lab.claim(functions=(function,)).jobs] == [job_id]
        assert lab.lose(job_id) == 1


def test_a_suspect_that_was_ended_without_its_thread_lets_the_next_one_run(
    fleet: Fleet, valkey_url: str, namespace: str
):
    """Only an attempt that came back itself made room: after a stuck one no suspect ran in that worker."""
    lab = Lab(valkey_url, namespace, queue="odd")
    stuck = odd.stick.submit()
    make_suspect(lab, odd.stick.definition.function, stuck.job_id)
    waiting = odd.add.submit(1, 2)
    make_suspect(lab, odd.add.definition.function, waiting.job_id)
    lab.run(b"DEL", lab.keys.prefix + "recovery")
    lab.close()

    fleet.start_ready(modules=MODULES, workers=("odd",))

    with pytest.raises(TaskTimeoutError):
        stuck.result_sync(timeout=WAIT_S)
    assert waiting.result_sync(timeout=WAIT_S).value == 3


def test_an_overdue_job_that_redis_did_not_hear_of_is_ended_later(tmp_path: Path):
    """The heartbeat let go of it before it knew: nobody renewed it, and its timeout became a crash."""
    (tmp_path / "redis").mkdir()
    server = EmbeddedValkey.ephemeral(tmp_path / "redis")
    fleet = Fleet(tmp_path, redis_url=server.ensure(), namespace="overdue", lease_s=2.0)
    try:
        worker = fleet.start_ready(modules=MODULES, workers=("odd",))
        future = odd.stick.submit()
        wait_until(lambda: fleet.ledger.count("begun"), "the job runs", WAIT_S)
        with fleet.broker.clients.sync() as link:
            link.execute([b"REPLICAOF", b"127.0.0.1", b"1"])  # it answers READONLY now, as in a failover
            wait_until(lambda: "ending an overdue job" in worker.log(), "the settle was refused", WAIT_S)
            link.execute([b"REPLICAOF", b"NO", b"ONE"])

        with pytest.raises(TaskTimeoutError):
            future.result_sync(timeout=WAIT_S)
        assert fleet.job(future.job_id).crashes == 0
        assert fleet.ledger.count("begun") == 1
    finally:
        fleet.end()
        server.release()


def test_an_ending_waits_while_its_report_is_refused(fleet: Fleet):
    """An error of the server other than "away" ended the only task that settles."""
    worker = fleet.start_ready(modules=MODULES, workers=("odd",))
    events = fleet.broker.keys("odd").events
    future = odd.tell.submit("told")
    wait_until(lambda: fleet.ledger.count("begun"), "the job runs", WAIT_S)

    with fleet.broker.clients.sync() as link:
        link.execute([b"DEL", events])
        link.execute([b"SET", events, b"no stream"])
        fleet.ledger.open("told")
        wait_until(lambda: "WRONGTYPE" in worker.log(), "the worker was refused", WAIT_S)
        link.execute([b"DEL", events])

    assert future.result_sync(timeout=5.0).ok


def test_jobs_claimed_ahead_of_a_long_one_are_not_passed_round(fleet: Fleet):
    """They were handed back and claimed again ten times a second while the long job ran."""
    fleet.start_ready(modules=MODULES, workers=("greedy", "odd"))
    first = odd.one_at_a_time.submit("long")
    wait_until(lambda: fleet.ledger.count("begun"), "the long job runs", WAIT_S)
    others = submit_many(odd.one_at_a_time, [("long",) for _ in range(5)])
    wait_until(lambda: fleet.job(others[0].job_id).handbacks, "they were handed back", WAIT_S)

    nap = odd.napping.submit(1.0)
    nap.result_sync(timeout=WAIT_S)

    assert [fleet.job(other.job_id).handbacks for other in others] == [1] * 5
    fleet.ledger.open("long")
    for future in (first, *others):
        future.result_sync(timeout=WAIT_S)
