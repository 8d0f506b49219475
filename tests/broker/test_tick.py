"""tick.lua: the job of a tick, made once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, QUEUE, Lab, new_job
from upnext_django.broker.scripts.tick import Mark, Tick, TickAnswer
from upnext_django.core.ids import created_ms, tick_job_id
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.exceptions import Backpressure

NAME = FUNCTION


def tick_at(at_ms: int, name: str = NAME, **options: Any) -> Tick:
    return Tick(Mark(name), at_ms, new_job(id=tick_job_id(QUEUE, name, at_ms), **options))


def known_since(lab: Lab, at_ms: int, name: str = NAME) -> None:
    """Have the schedule's last tick at ``at_ms``."""
    lab.run(b"HSET", lab.keys.prefix + "cron", name, at_ms)


def answers(lab: Lab, *ticks: Tick) -> list[TickAnswer]:
    return [reply.answer for reply in lab.tick(*ticks).replies]


def test_a_schedule_begins_when_it_is_first_asked_for(lab: Lab):
    before = lab.now_ms()

    first = lab.ask(NAME, "other")
    again = lab.ask(NAME, "other")

    assert [reply.answer for reply in first.replies] == [TickAnswer.ASKED, TickAnswer.ASKED]
    assert before <= first.replies[0].last_ms == first.now_ms <= again.now_ms
    assert again.replies == first.replies


def test_nothing_is_made_for_a_tick_before_a_schedule_began(lab: Lab):
    earlier = lab.now_ms() - 1000

    assert answers(lab, tick_at(earlier)) == [TickAnswer.KNOWN]

    assert lab.moves() == []
    assert lab.ask(NAME).replies[0].last_ms > earlier


def test_a_due_tick_makes_its_job_at_once(lab: Lab):
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    one = tick_at(now - 1000)

    reply = lab.tick(one).replies[0]

    assert (reply.answer, reply.last_ms) == (TickAnswer.ACCEPTED, now - 1000)
    assert created_ms(one.job.id) == now - 1000
    assert [(move.move, move.status) for move in lab.moves(one.job.id)] == [
        (Move.SUBMITTED, JobStatus.QUEUED)
    ]
    (claimed,) = lab.claim().jobs
    assert claimed.id == one.job.id
    assert lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE) == JobStatus.COMPLETE


def test_a_tick_before_its_time_is_not_made(lab: Lab):
    known_since(lab, lab.now_ms() - HOUR_MS)
    before = lab.dump()

    assert answers(lab, tick_at(lab.now_ms() + 5000)) == [TickAnswer.EARLY]

    assert lab.dump() == before


def test_a_tick_is_made_once_however_many_callers_have_it(lab: Lab, valkey_url: str, namespace: str):
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    ticks = [tick_at(now - HOUR_MS + 1000 * (n + 1)) for n in range(100)]

    def caller(_: int) -> list[TickAnswer]:
        own = Lab(valkey_url, namespace)
        try:
            return [answer for one in ticks for answer in answers(own, one)]
        finally:
            own.close()

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(caller, range(8)))

    made = Counter(
        number for one in given for number, answer in enumerate(one) if answer is TickAnswer.ACCEPTED
    )
    assert made == dict.fromkeys(range(100), 1)
    assert Counter(move.job_id for move in lab.moves()) == {one.job.id: 1 for one in ticks}


def test_a_call_that_is_sent_again_changes_nothing(lab: Lab):
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    one = tick_at(now - 1000)
    lab.tick(one)
    before = lab.dump()

    assert answers(lab, one) == [TickAnswer.KNOWN]

    assert lab.dump() == before


def test_ticks_of_several_schedules_go_in_one_call_in_order(lab: Lab):
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    known_since(lab, now - HOUR_MS, "other")

    given = answers(
        lab, tick_at(now - 3000), tick_at(now - 1000), tick_at(now - 2000), tick_at(now - 2000, "other")
    )

    accepted, known = TickAnswer.ACCEPTED, TickAnswer.KNOWN
    assert given == [accepted, accepted, known, accepted], "what lies before the last tick is over"


def test_a_job_that_is_there_already_is_not_made_again(lab: Lab):
    """Redis may have lost the hash of ticks alone, or an operator deleted it."""
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    one = tick_at(now - 1000)
    lab.tick(one)
    known_since(lab, now - HOUR_MS)

    assert answers(lab, one) == [TickAnswer.KNOWN]

    assert len(lab.moves(one.job.id)) == 1


def test_a_tick_expires_like_any_job(lab: Lab):
    known_since(lab, lab.now_ms() - HOUR_MS)
    one = tick_at(lab.now_ms() - 1000, expires_ms=60_000)

    lab.tick(one)

    assert 0 < int(lab.fields(one.job.id)["expires"]) - lab.now_ms() <= 60_000
    lab.make_expired(one.job.id)
    assert lab.claim().jobs == []
    assert lab.status(one.job.id) == JobStatus.CANCELLED


def test_history_sees_the_masked_copy(lab: Lab):
    known_since(lab, lab.now_ms() - HOUR_MS)
    one = tick_at(lab.now_ms() - 1000, shown=b'{"fn":"masked"}')

    lab.tick(one)

    assert lab.moves(one.job.id)[0].data == b'{"fn":"masked"}'


def test_no_tick_is_made_past_the_events_that_may_wait(lab: Lab):
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    lab.submit_one()
    before = lab.dump()

    with pytest.raises(Backpressure, match="no tick was made"):
        lab.tick(tick_at(now - 1000), max_events=1)

    assert lab.dump() == before
    assert answers(lab, tick_at(now - 1000)) == [TickAnswer.ACCEPTED], "it is made when there is room again"


def test_without_history_there_is_no_event(valkey_url: str, namespace: str):
    lab = Lab(valkey_url, namespace, history=False)
    lab.register()
    known_since(lab, lab.now_ms() - HOUR_MS)

    lab.tick(tick_at(lab.now_ms() - 1000))

    assert lab.moves() == []
    assert len(lab.claim().jobs) == 1
    lab.close()


def test_a_tick_uses_the_cache_of_its_function(lab: Lab):
    now = lab.now_ms()
    known_since(lab, now - HOUR_MS)
    first, second = (tick_at(now - ms, cache="k1") for ms in (2000, 1000))
    lab.tick(first, second)

    (claimed,) = lab.claim(2).jobs
    hit = b'{"cache_hit":true}'
    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE, cached=hit, cached_ms=HOUR_MS)

    assert [lab.status(one.job.id) for one in (first, second)] == ["complete", "complete"]
    assert lab.moves(second.job.id)[-1].move is Move.CACHE_HIT
