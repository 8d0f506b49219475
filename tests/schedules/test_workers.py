"""Operators act on schedules while several workers tick them."""

from __future__ import annotations

from typing import Any

from tests.broker.lab import Lab
from tests.schedules import tasks
from tests.schedules.conftest import Start
from tests.schedules.ticks import envelopes_of, ticks_of
from tests.waiting import wait_until
from tests.workers import READY
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.models import Schedule
from upnext_django.operations import schedules

NOTE = tasks.note.name
SECOND = tasks.second.name


def keep(name: str, **fields: Any) -> Schedule:
    given: dict[str, Any] = {"function": NOTE, "expression": "* * * * * *", "kwargs": {"word": name}}
    return schedules.add(name=name, missed_run_policy=MissedRunPolicy.CATCH_UP, **{**given, **fields})


def made(lab: Lab, name: str) -> list[int]:
    return ticks_of(lab).get(name, [])


def ticked(lab: Lab, name: str, more: int = 2) -> None:
    """Wait until the schedule has made ``more`` ticks from now on."""
    before = len(made(lab, name))
    wait_until(lambda: len(made(lab, name)) >= before + more, f"{name} has ticked {more} times", 20)


def test_pause_change_and_delete_hold_from_the_moment_they_return(lab: Lab, start: Start):
    workers = [start() for _ in range(2)]
    for worker in workers:
        worker.wait_for(READY)
    for name in ("paused", "changed", "deleted", "witness"):
        keep(name)
        ticked(lab, name, 1)

    schedules.pause("paused")
    schedules.pause(SECOND)
    schedules.change("changed", kwargs={"word": "new"})
    schedules.delete("deleted")
    events = len(envelopes_of(lab))
    stopped = {name: made(lab, name) for name in ("paused", SECOND, "deleted")}
    ticked(lab, "witness", 4)

    assert {name: made(lab, name) for name in stopped} == stopped
    later = [one for one in list(envelopes_of(lab).values())[events:] if one.schedule == "changed"]
    assert {bytes(one.args) for one in later} == {b'[[],{"word":"new"}]'}

    resumed_ms = lab.now_ms()
    schedules.resume("paused")
    schedules.resume(SECOND)
    ticked(lab, "paused")
    ticked(lab, SECOND)
    for name in ("paused", SECOND):
        again = made(lab, name)[len(stopped[name]) :]
        assert again == list(range(again[0], again[-1] + 1, 1000))
        assert again[0] > resumed_ms - 1000, "nothing of the pause is made up for"
    for name in ("changed", "witness"):
        assert made(lab, name) == list(range(made(lab, name)[0], made(lab, name)[-1] + 1, 1000))


def test_a_paused_cron_stays_paused_in_a_worker_that_cannot_read_the_rows(lab: Lab, start: Start):
    worker = start()
    worker.wait_for("[second]")
    schedules.pause(SECOND)
    before = made(lab, SECOND)

    blind = start(UPNEXT_EXAMPLE_DATABASE="/nowhere/none.sqlite3")
    blind.wait_for("Those known stay in force")
    keep("witness")
    ticked(lab, "witness", 3)

    assert made(lab, SECOND) == before


def test_schedules_go_on_where_they_were_after_all_workers_were_away(lab: Lab, start: Start):
    first = start()
    keep("kept")
    ticked(lab, "kept")
    assert first.stop() == 0

    start()

    ticked(lab, "kept", 3)
    assert made(lab, "kept") == list(range(made(lab, "kept")[0], made(lab, "kept")[-1] + 1, 1000))
