"""Stampedes on cached results: several processes, kills, and a check of every moment."""

from __future__ import annotations

from collections import Counter
from random import Random

from tests.fleet import cached
from tests.fleet.processes import Fleet, WorkerHandle
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import Move
from upnext_django.declare.bulk import submit_many

MODULES = ["tests.fleet.cached"]
QUEUE = "cached"
ENDS = {Move.SETTLED, Move.HANDED_BACK, Move.RECOVERED}
START_S = 10.0
ALL_S = 40.0


def start(fleet: Fleet) -> WorkerHandle:
    return fleet.start(modules=MODULES, workers=[QUEUE])


def most_at_once(moves: list[JobMove], key_of: dict[str, str]) -> int:
    """Return how many jobs of one key were held by workers at the same moment at most, by the events."""
    running: Counter[str] = Counter()
    most = 0
    for move in moves:
        if move.move is Move.CLAIMED:
            running[key_of[move.job_id]] += 1
            most = max(most, running[key_of[move.job_id]])
        elif move.move in ENDS:
            running[key_of[move.job_id]] -= 1
    return most


def left_of_caches(fleet: Fleet) -> list[bytes]:
    """Return the keys in Redis that say who computes and who waits; none may outlive its jobs."""
    prefix = fleet.broker.keys(QUEUE).prefix
    with fleet.broker.clients.sync() as link:
        found = [link.execute([b"KEYS", f"{prefix}{kind}:*"]) for kind in ("leaders", "parked")]
    return [key for keys in found for key in keys]


def compute_on_some_worker(fleet: Fleet, word: str, number: int) -> int:
    """Wait until ``word`` was said ``number`` times; the process that said it last."""
    fleet.ledger.wait_for(word, number, fleet.lease_s + START_S)
    return fleet.ledger.lines(word)[-1].pid


def test_a_stampede_runs_once_although_whoever_computes_is_killed(fleet: Fleet):
    """The one job that computes outlives three of its workers; the 299 others wait for it."""
    futures = submit_many(cached.compute, [("key",) for _ in range(300)])
    ids = [future.job_id for future in futures]
    workers = {worker.pid: worker for worker in (start(fleet) for _ in range(3))}
    for kill in range(1, 4):
        workers.pop(compute_on_some_worker(fleet, "begun-key", kill)).kill()
        successor = start(fleet)
        workers[successor.pid] = successor
    fleet.ledger.wait_for("begun-key", 4, fleet.lease_s + START_S)
    fleet.ledger.open("key")

    fleet.wait_for_all(QUEUE, ids, ALL_S)

    moves = fleet.moves(QUEUE)
    assert [move.move for move in moves].count(Move.CACHE_HIT) == 299
    assert len({line.job_id for line in fleet.ledger.lines("begun-key")}) == 1
    assert most_at_once(moves, dict.fromkeys(ids, "key")) == 1
    assert {future.value_sync(timeout=START_S) for future in futures} == {"value of key"}
    assert set(fleet.endings(QUEUE).values()) == {1}
    assert left_of_caches(fleet) == []


def test_values_that_expire_at_once_are_computed_one_at_a_time_while_workers_are_killed(fleet: Fleet):
    random = Random(20261126)
    inputs = [(number % 12, 10.0) for number in range(400)]
    key_of: dict[str, str] = {}
    workers = [start(fleet) for _ in range(3)]
    for kill in range(8):
        # New ones all the time, so that there is something to compute whatever has ended.
        for future, (key, _) in zip(submit_many(cached.compute_briefly, inputs), inputs, strict=True):
            key_of[future.job_id] = str(key)
        fleet.ledger.wait_for("ran", kill + 1, START_S)
        victim = random.randrange(len(workers))
        workers[victim].kill()
        workers[victim] = start(fleet)

    fleet.wait_for_all(QUEUE, sorted(key_of), fleet.lease_s + ALL_S)

    moves = fleet.moves(QUEUE)
    assert most_at_once(moves, key_of) == 1
    ran = Counter(line.job_id for line in fleet.ledger.lines("ran"))
    hits = {move.job_id for move in moves if move.move is Move.CACHE_HIT}
    ended = fleet.endings(QUEUE)
    for job_id, job in fleet.jobs(key_of).items():
        # Whoever computed in four killed processes is lost, and another one computes.
        assert job.status == "complete" or job.crashes == 4
        assert (job_id in hits) == (job.attempts == 0)
        assert ran[job_id] <= job.attempts + job.crashes + job.handbacks
        assert ended[job_id] == 1
    assert left_of_caches(fleet) == []


def test_failures_are_followed_by_the_next_in_line_until_one_succeeds(fleet: Fleet):
    futures = submit_many(cached.succeed_at_last, [("key", 5) for _ in range(100)])
    for _ in range(2):
        start(fleet)

    fleet.wait_for_all(QUEUE, [future.job_id for future in futures], ALL_S)

    statuses = Counter(job.status for job in fleet.jobs(future.job_id for future in futures).values())
    assert statuses == {"failed": 5, "complete": 95}
    assert fleet.ledger.count("tried") == 6
    assert left_of_caches(fleet) == []
