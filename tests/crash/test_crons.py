"""Each tick of a cron makes one job: with several workers, through a crash, and after an outage."""

from __future__ import annotations

from collections import Counter

from tests.fleet import crons
from tests.fleet.processes import Fleet
from tests.waiting import wait_until
from upnext_django.core.ids import created_ms
from upnext_django.core.lifecycle import Move

MODULES = ["tests.fleet.crons"]
HOUR_MS = 3_600_000


def ticks(fleet: Fleet, queue: str) -> dict[str, list[int]]:
    """Return the ticks that were made, by cron, in the order of their events."""
    made: dict[str, list[int]] = {}
    for move in fleet.moves(queue):
        if move.move is Move.SUBMITTED:
            at_ms = created_ms(move.job_id)
            assert at_ms is not None
            made.setdefault(fleet.job(move.job_id).envelope.function, []).append(at_ms)
    return made


def different_jobs(fleet: Fleet) -> Counter[str]:
    """Return how many jobs said each word: what a killed worker held says it twice."""
    return Counter(word for word, _ in {(line.word, line.job_id) for line in fleet.ledger.lines()})


def test_ten_crons_of_every_second_fire_each_second_once_while_a_worker_is_killed(fleet: Fleet):
    workers = [fleet.start_ready(modules=MODULES, workers=["storm"]) for _ in range(3)]
    fleet.ledger.wait_for("0", 2)
    workers[0].kill()
    wait_until(lambda: min(different_jobs(fleet).values()) >= 6, "each cron has run for six ticks", 15.0)
    for worker in workers[1:]:
        assert worker.stop() == 0

    made = ticks(fleet, "storm")
    assert len(made) == 10
    for cron, at in made.items():
        due = list(range(at[0], at[-1] + 1, 1000))
        assert at == due, f"{cron}: {len(at)} ticks were made, {len(due)} were due"
        assert at[0] % 1000 == 0
        assert len(at) >= 6
    endings = fleet.endings("storm")
    assert set(endings.values()) == {1}
    ran = Counter(line.job_id for line in fleet.ledger.lines() if line.attempt == 1)
    left = {job_id for job_id in endings if ran[job_id] != 1}
    assert len(left) <= 20, "only what the killed worker held may have run again"


def test_after_an_outage_each_policy_makes_up_for_what_it_says(fleet: Fleet):
    now = fleet.now_ms()
    last = now // HOUR_MS * HOUR_MS - 3 * HOUR_MS
    with fleet.broker.clients.sync() as link:
        for cron in (crons.latest, crons.catch_up, crons.skip):
            link.execute([b"HSET", fleet.broker.keys("rare").prefix + "cron", cron.name, last])

    fleet.start_ready(modules=MODULES, workers=["rare"])
    fleet.start_ready(modules=MODULES, workers=["rare"])

    fleet.ledger.wait_for("catch_up", 3)
    fleet.ledger.wait_for("latest", 1)
    made = ticks(fleet, "rare")
    hours = [last + n * HOUR_MS for n in (1, 2, 3)]
    assert made[crons.catch_up.name][:3] == hours
    # The hour may have changed since.
    assert made[crons.latest.name][0] in range(hours[-1], fleet.now_ms() + 1, HOUR_MS)
    assert min(made.get(crons.skip.name, [now])) >= hours[-1]
    assert min(made.get(crons.never_seen.name, [now])) >= now


def test_a_worker_without_crons_makes_no_tick_but_runs_those_of_others(fleet: Fleet):
    idle = fleet.start_ready(modules=MODULES, workers=["storm"], cron=False)
    future = crons.second_0.submit()
    wait_until(lambda: fleet.ledger.count("0") == 1, "the submitted job has run")
    assert ticks(fleet, "storm") == {crons.second_0.name: [created_ms(future.job_id)]}

    fleet.start_ready(modules=MODULES, workers=["storm"])
    wait_until(lambda: different_jobs(fleet)["1"] >= 3, "a cron has run for three ticks", 15.0)

    made_by_the_other = ticks(fleet, "storm")[crons.second_1.name]
    assert len(made_by_the_other) >= 3
    assert idle.stop() == 0


def test_the_job_of_a_tick_says_where_it_comes_from(fleet: Fleet):
    fleet.start_ready(modules=MODULES, workers=["storm"])
    fleet.ledger.wait_for("3", 1)

    (line, *_) = fleet.ledger.lines("3")
    envelope = fleet.job(line.job_id).envelope
    assert (envelope.kind, envelope.schedule) == ("cron", crons.second_3.name)
