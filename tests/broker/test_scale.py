"""Queues with more in them than one pass looks at."""

from __future__ import annotations

from tests.broker.lab import FUNCTION, Lab, new_job


def test_work_behind_many_functions_nobody_here_knows_is_found(lab: Lab):
    """A claim gave up after a thousand partitions of unknown functions, always the same thousand."""
    strangers = [new_job(f"old.tasks.f{number}") for number in range(1100)]
    for start in range(0, len(strangers), 200):
        lab.submit(*strangers[start : start + 200])
    known = lab.submit_one()

    claims = [lab.claim()]
    while not claims[-1].jobs and claims[-1].left and len(claims) < 10:
        claims.append(lab.claim())

    assert [job.id for job in claims[-1].jobs] == [known]


def test_a_look_that_finds_only_strangers_comes_to_an_end(lab: Lab):
    strangers = [new_job(f"old.tasks.f{number}") for number in range(1100)]
    for start in range(0, len(strangers), 200):
        lab.submit(*strangers[start : start + 200])

    looks = 1
    while lab.claim().left:
        looks += 1
        assert looks < 10

    assert lab.claim(functions=(FUNCTION,)).jobs == []


def test_all_jobs_of_a_dead_worker_come_back_at_once(lab: Lab):
    """A pass took a hundred and the next one came a second later: 5,000 jobs took a minute."""
    jobs = [new_job() for _ in range(150)]
    lab.submit(*jobs)
    while lab.claim(100).jobs:
        pass
    for job in jobs:
        lab.make_old(job.id)
    lab.let_recover()

    assert lab.recover() == 100
    assert lab.recover() == 50
