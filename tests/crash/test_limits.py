"""Caps and rates by brute force: several processes, kills at random moments, and a check of every moment."""

from __future__ import annotations

from collections import Counter
from random import Random
from statistics import median

import pytest

from tests.fleet import limited
from tests.fleet.processes import Fleet
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import Move
from upnext_django.declare.bulk import submit_many

MODULES = ["tests.fleet.limited"]
QUEUE = "limited"
ENDS = {Move.SETTLED, Move.HANDED_BACK, Move.RECOVERED}


def most_at_once(moves: list[JobMove], jobs: set[str]) -> int:
    """Return how many of ``jobs`` were claimed at the same moment at most, by the events in their order."""
    running: set[str] = set()
    most = 0
    for move in moves:
        if move.job_id in jobs:
            if move.move is Move.CLAIMED:
                running.add(move.job_id)
                most = max(most, len(running))
            elif move.move in ENDS:
                running.discard(move.job_id)
    return most


def most_in_a_window(starts: list[int], window_ms: int) -> int:
    """Return how many of the sorted ``starts`` lie in a window (t, t + window_ms] at most."""
    return max(sum(1 for other in starts if start - window_ms < other <= start) for start in starts)


def test_the_cap_and_the_rate_hold_at_every_moment_while_workers_are_killed(fleet: Fleet):
    random = Random(20261123)
    capped = {future.job_id for future in submit_many(limited.capped, [(20,) for _ in range(300)])}
    rated = {future.job_id for future in submit_many(limited.rated, [() for _ in range(200)])}
    free = {future.job_id for future in submit_many(limited.free, [() for _ in range(500)])}
    workers = [fleet.start(modules=MODULES, workers=[QUEUE]) for _ in range(3)]
    for _ in range(4):
        fleet.ledger.wait_for("out", min(fleet.ledger.count("out") + random.randrange(10, 40), 290), 30.0)
        victim = random.randrange(len(workers))
        workers[victim].kill()
        workers[victim] = fleet.start(modules=MODULES, workers=[QUEUE])

    fleet.wait_for_all(QUEUE, sorted(capped | rated | free), 40.0)

    moves = fleet.moves(QUEUE)
    assert most_at_once(moves, capped) == 5
    starts = sorted(move.at_ms for move in moves if move.move is Move.CLAIMED and move.job_id in rated)
    assert most_in_a_window(starts, 1000) == 40
    ran = Counter(line.job_id for line in fleet.ledger.lines("in"))
    for job_id, job in fleet.jobs(capped).items():
        assert job.status == "complete"
        assert 1 <= ran[job_id] <= job.attempts + job.crashes + job.handbacks


def test_the_rate_is_used_up_while_there_is_work(fleet: Fleet):
    jobs = {future.job_id for future in submit_many(limited.rated, [() for _ in range(280)])}
    fleet.start(modules=MODULES, workers=[QUEUE])
    fleet.start(modules=MODULES, workers=[QUEUE])

    fleet.wait_for_all(QUEUE, sorted(jobs), 60.0)

    starts = sorted(move.at_ms for move in fleet.moves(QUEUE) if move.move is Move.CLAIMED)
    # Who sleeps past an opening does so in every window, a machine that stalls in one.
    windows = [later - start for start, later in zip(starts, starts[40:], strict=False)]
    assert median(windows) <= 1100, "40 starts later a window of a second is over"


@pytest.mark.parametrize("accounts", [3])
def test_each_key_has_its_own_cap_and_leaves_no_stream(fleet: Fleet, accounts: int):
    jobs = {
        future.job_id: number % accounts
        for number, future in enumerate(
            submit_many(limited.capped_each, [(number % accounts, 10) for number in range(90)])
        )
    }
    fleet.start(modules=MODULES, workers=[QUEUE])

    fleet.wait_for_all(QUEUE, sorted(jobs), 20.0)

    moves = fleet.moves(QUEUE)
    for account in range(accounts):
        assert most_at_once(moves, {job_id for job_id, of in jobs.items() if of == account}) <= 2
    assert most_at_once(moves, set(jobs)) > 2, "different keys do not wait for each other"
    with fleet.broker.clients.sync() as link:
        assert link.execute([b"SMEMBERS", fleet.broker.keys(QUEUE).prefix + "streams"]) == []
