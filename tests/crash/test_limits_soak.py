"""The limits by brute force over minutes: eight workers, kills, 10,000 jobs, and a check of every moment."""

from __future__ import annotations

import threading
from random import Random

import pytest

from tests.crash.test_limits import most_at_once, most_in_a_window
from tests.fleet import limited
from tests.fleet.processes import Fleet
from upnext_django.core.lifecycle import Move
from upnext_django.declare.bulk import submit_many

pytestmark = pytest.mark.soak

MODULES = ["tests.fleet.limited"]
QUEUE = "limited"
WORKERS = 8
CAPPED, RATED, FREE = 3_000, 2_000, 5_000
CAP, CAPPED_MS = 5, 40
RATE = 40


def test_no_window_and_no_moment_is_over_the_limit_while_workers_are_killed(fleet: Fleet):
    random = Random(20261126)
    capped = {future.job_id for future in submit_many(limited.capped, [(CAPPED_MS,)] * CAPPED)}
    rated = {future.job_id for future in submit_many(limited.rated, [()] * RATED)}
    free = {future.job_id for future in submit_many(limited.free, [()] * FREE)}
    workers = [fleet.start(modules=MODULES, workers=[QUEUE]) for _ in range(WORKERS)]
    over = threading.Event()
    while fleet.unfinished(QUEUE, sorted(rated)):
        victim = random.randrange(WORKERS)
        workers[victim].kill()
        workers[victim] = fleet.start(modules=MODULES, workers=[QUEUE])
        over.wait(random.uniform(3.0, 8.0))

    fleet.wait_for_all(QUEUE, sorted(capped | rated | free), 60.0)

    moves = fleet.moves(QUEUE)
    assert most_at_once(moves, capped) == CAP
    claims = [move for move in moves if move.move is Move.CLAIMED]
    starts = sorted(move.at_ms for move in claims if move.job_id in rated)
    assert most_in_a_window(starts, 1_000) == RATE
    # The tasks' own words: one that a kill cut short has no "out", and its place is taken after the lease.
    assert fleet.ledger.count("start") <= len(starts)
    assert set(fleet.endings(QUEUE).values()) == {1}
    busiest = (starts[-1] - starts[0]) / 1_000
    assert len(starts) / busiest >= 0.9 * RATE, "the rate is used up while there is work"
    ends = [move.at_ms for move in moves if move.job_id in free and move.move is Move.SETTLED]
    assert max(ends) - starts[0] < 20_000, "what has no limit does not wait for what has one"
