"""revise.lua, and what tick.lua makes of it: a worker that knows an old row makes no tick."""

from __future__ import annotations

import pytest

from tests.broker.lab import HOUR_MS, QUEUE, Lab, new_job
from upnext_django.broker.scripts.tick import Mark, Tick, TickAnswer
from upnext_django.core.ids import tick_job_id

NAME = "schedule:7"


def tick_at(at_ms: int, revision: int | None, since_ms: int | None = None) -> Tick:
    return Tick(Mark(NAME, since_ms, revision), at_ms, new_job(id=tick_job_id(QUEUE, NAME, at_ms)))


def answer(lab: Lab, tick: Tick) -> TickAnswer:
    return lab.tick(tick).replies[0].answer


def test_a_schedule_that_is_new_begins_when_its_row_does(lab: Lab):
    now = lab.now_ms()

    seen = lab.ask(Mark(NAME, now - 5000, 1), Mark("schedule:8", now + HOUR_MS, 1)).replies

    assert seen[0].last_ms == now - 5000, "a run between its creation and the first look is its"
    assert now <= seen[1].last_ms <= lab.now_ms(), "a clock that is ahead makes no later beginning"


def test_a_new_row_begins_when_it_was_made_not_when_a_worker_looks_first(lab: Lab):
    now = lab.now_ms()

    lab.revise(NAME, 1, since_ms=now - 5000, begins=True)
    lab.revise("schedule:8", 1, since_ms=now + HOUR_MS, begins=True)

    assert answer(lab, tick_at(now - 4000, 1)) == TickAnswer.ACCEPTED
    assert lab.ask("schedule:8").replies[0].last_ms <= lab.now_ms()


def test_a_change_makes_no_state_where_the_schedule_never_ticked(lab: Lab):
    lab.revise(NAME, 2, since_ms=lab.now_ms() - 5000)

    assert lab.at("cron") is None


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (1, TickAnswer.OUTDATED),
        (2, TickAnswer.ACCEPTED),
        (3, TickAnswer.ACCEPTED),
        (None, TickAnswer.ACCEPTED),
    ],
)
def test_only_what_the_newest_row_says_is_made(lab: Lab, revision: int | None, expected: TickAnswer):
    now = lab.now_ms()
    lab.ask(Mark(NAME, now - HOUR_MS, 1))
    assert lab.revise(NAME, 2)

    assert answer(lab, tick_at(now - 1000, revision)) == expected


def test_a_refused_tick_leaves_nothing(lab: Lab):
    now = lab.now_ms()
    lab.revise(NAME, 2)
    before = lab.dump()

    assert answer(lab, tick_at(now - 1000, 1, now - HOUR_MS)) == TickAnswer.OUTDATED
    assert lab.ask(Mark(NAME, now - HOUR_MS, 1)).replies[0].answer == TickAnswer.OUTDATED

    assert lab.dump() == before


def test_a_newer_row_than_redis_was_told_of_counts(lab: Lab):
    """Redis was away when the row was changed: who has read the row says it."""
    now = lab.now_ms()
    lab.ask(Mark(NAME, now - HOUR_MS, 1))
    lab.revise(NAME, 2, paused=True)

    assert answer(lab, tick_at(now - 2000, 3)) == TickAnswer.ACCEPTED
    assert answer(lab, tick_at(now - 1000, 2)) == TickAnswer.OUTDATED
    assert answer(lab, tick_at(now - 1000, None)) == TickAnswer.ACCEPTED, "it is paused no more"


def test_a_paused_cron_is_paused_for_who_reads_no_rows_too(lab: Lab):
    now = lab.now_ms()
    lab.ask(Mark(NAME, now - HOUR_MS))
    lab.revise(NAME, 2, paused=True)

    assert answer(lab, tick_at(now - 2000, None)) == TickAnswer.OUTDATED

    lab.revise(NAME, 3, since_ms=now - 1000)
    assert answer(lab, tick_at(now - 2000, None)) == TickAnswer.KNOWN, "a run of the pause"
    assert answer(lab, tick_at(now - 500, None)) == TickAnswer.ACCEPTED


def test_an_older_revision_takes_nothing_back(lab: Lab):
    lab.revise(NAME, 3, paused=True)
    before = lab.dump()

    assert not lab.revise(NAME, 2)

    assert lab.dump() == before


def test_telling_it_twice_changes_nothing(lab: Lab):
    now = lab.now_ms()
    lab.ask(Mark(NAME, now - HOUR_MS, 1))
    lab.revise(NAME, 2, since_ms=now - 5000)
    before = lab.dump()

    assert lab.revise(NAME, 2, since_ms=now - 5000)

    assert lab.dump() == before


def test_nobody_ticks_a_deleted_schedule_any_more(lab: Lab):
    now = lab.now_ms()
    lab.ask(Mark(NAME, now - HOUR_MS, 1))

    lab.revise(NAME, 2, gone=True)

    assert answer(lab, tick_at(now - 1000, 1, now - HOUR_MS)) == TickAnswer.OUTDATED
    assert lab.at("cron") is None
    assert lab.run(b"PTTL", lab.keys.prefix + "revision:" + NAME) > HOUR_MS, "and it is forgotten in the end"
