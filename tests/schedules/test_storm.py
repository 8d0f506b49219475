"""A tick storm: 50 schedules of each second over four workers that are killed, and each tick one job."""

from __future__ import annotations

import itertools

import pytest

from tests.broker.lab import Lab
from tests.schedules import storm
from tests.schedules.conftest import Start
from tests.schedules.ticks import ticks_of
from tests.waiting import wait_until
from tests.workers import READY
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.operations import schedules

WORKERS = 4


@pytest.mark.parametrize("seconds", [8, pytest.param(60, marks=pytest.mark.soak)])
def test_what_fired_is_what_was_due(lab: Lab, start: Start, seconds: int):
    """The policy is CATCH_UP: what a machine that stands still for 5 s leaves out is not the point here."""
    for number in range(storm.CRONS):
        schedules.add(
            name=f"row {number}",
            function=storm.row.name,
            expression="* * * * * *",
            missed_run_policy=MissedRunPolicy.CATCH_UP,
            kwargs={"number": number},
        )
    running = [start("tests.schedules.storm") for _ in range(WORKERS)]
    for worker in running:
        worker.wait_for(READY)
    wait_until(lambda: len(ticks_of(lab)) == 2 * storm.CRONS, "every schedule has ticked", 30)
    began = lab.now_ms()

    # A kill each 4 s or so, each time of another worker; a fresh one takes its place.
    for turn in itertools.count():
        until = began + min(4 * (turn + 1), seconds) * 1000
        wait_until(lambda until=until: lab.now_ms() >= until, "the storm goes on", 60)  # type: ignore[misc]
        if until >= began + seconds * 1000:
            break
        victim = running[turn % WORKERS]
        victim.process.kill()
        victim.process.wait()
        running[turn % WORKERS] = start("tests.schedules.storm")
    ended = lab.now_ms()
    wait_until(
        lambda: all(made[-1] > ended - 1000 for made in ticks_of(lab).values()), "the last ticks are made", 30
    )
    for worker in running:
        worker.wait_for(READY)
        assert worker.stop() == 0

    ticks = ticks_of(lab)
    assert len(ticks) == 2 * storm.CRONS
    for name, made in ticks.items():
        due = list(range(made[0], made[-1] + 1, 1000))
        assert made == due, f"{name}: {len(made)} ticks were made, {len(due)} were due"
        assert made[0] % 1000 == 0
        assert made[0] <= began
        assert made[-1] > ended - 1000
    ended_ids = [move.job_id for move in lab.moves() if move.status in TERMINAL]
    assert len(ended_ids) == len(set(ended_ids)), "a job has one end"
