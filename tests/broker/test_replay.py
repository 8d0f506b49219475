"""replay.lua and discard.lua: what becomes of jobs that failed or were cancelled."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, Lab, new_job
from upnext_django.broker.broker import Broker
from upnext_django.broker.scripts.discard import Discard, DiscardAnswer, DiscardReply
from upnext_django.broker.scripts.replay import KEPT_MS, ReplayAnswer, ReplayReply
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.exceptions import Backpressure

ERROR = b'{"attempt":1,"started":1,"error_type":"ValueError","error":"ValueError: no"}'


def fail(lab: Lab, **options: object) -> str:
    claimed = lab.claim_one(**options)
    lab.settle(claimed.id, claimed.token, JobStatus.FAILED, ERROR, ttl_ms=HOUR_MS)
    return claimed.id


def test_a_replay_is_queued_told_and_no_dead_letter_any_more(lab: Lab):
    old = fail(lab)
    new = new_job(envelope=msgspec.json.encode(Envelope(function=FUNCTION, replay_of=old)))

    assert lab.replay(old, new) == ReplayReply(ReplayAnswer.ACCEPTED)

    assert lab.at(f"dead:{FUNCTION}") is None
    (told,) = lab.moves(new.id)
    assert (told.move, told.status, json.loads(told.data)["replay_of"]) == (
        Move.SUBMITTED,
        JobStatus.QUEUED,
        old,
    )
    assert [job.id for job in lab.claim().jobs] == [new.id]


def test_the_same_call_again_exists_and_changes_nothing(lab: Lab):
    old, new = fail(lab), new_job()
    lab.replay(old, new)
    before = lab.dump()

    assert lab.replay(old, new) == ReplayReply(ReplayAnswer.EXISTS)

    assert lab.dump() == before


def test_a_second_replay_names_the_first(lab: Lab):
    old, first = fail(lab), new_job()
    lab.replay(old, first)
    before = lab.dump()

    assert lab.replay(old, new_job()) == ReplayReply(ReplayAnswer.REPLAYED, first.id)
    assert lab.discard(old) == [DiscardReply(DiscardAnswer.REPLAYED, first.id)]

    assert lab.dump() == before


def test_a_cancelled_job_is_replayed_too(lab: Lab):
    old, new = lab.submit_one(), new_job()
    lab.cancel(old)

    assert lab.replay(old, new) == ReplayReply(ReplayAnswer.ACCEPTED)


def test_an_ending_that_is_not_mirrored_keeps_its_key(lab: Lab):
    """A TTL before the mirror's would let the key go with the only copy of the job's ending."""
    old = fail(lab)

    lab.replay(old, new_job())

    assert lab.run(b"PTTL", lab.keys.job(old)) == -1


@pytest.mark.parametrize("ttl_ms", [HOUR_MS, 10 * KEPT_MS])
def test_a_mirrored_one_lives_for_another_day(lab: Lab, ttl_ms: int):
    old = fail(lab)
    lab.run(b"PEXPIRE", lab.keys.job(old), ttl_ms)

    lab.replay(old, new_job())

    assert KEPT_MS - 60_000 < lab.run(b"PTTL", lab.keys.job(old)) <= KEPT_MS


def test_a_replay_keeps_its_limit_key_unless_it_gets_another(lab: Lab):
    first, second = fail(lab, digest="aa"), fail(lab, digest="aa")
    same, other = new_job(lane=0), new_job(lane=0, digest="bb")

    lab.replay(first, same)
    lab.replay(second, other)

    assert lab.fields(same.id)["stream"] == f"stream:{FUNCTION}:0:aa"
    assert lab.fields(other.id)["stream"] == f"stream:{FUNCTION}:0:bb"


def test_a_suspect_is_replayed_among_the_others(lab: Lab):
    claimed = lab.claim_one(digest="aa")
    for _ in range(2):
        lab.lose(claimed.id, max_crashes=2)
        (claimed,) = lab.claim().jobs
    lab.lose(claimed.id, max_crashes=2)
    new = new_job()

    lab.replay(claimed.id, new)

    assert lab.fields(new.id)["stream"] == f"stream:{FUNCTION}:1:aa"


def test_a_key_of_a_live_job_refuses_and_a_free_one_is_taken(lab: Lab):
    old = fail(lab, key="7")
    winner = lab.submit_one(key="7")

    assert lab.replay(old, new_job(key="7")) == ReplayReply(ReplayAnswer.DUPLICATE, winner)
    lab.cancel(winner)
    new = new_job(key="7")
    assert lab.replay(old, new) == ReplayReply(ReplayAnswer.ACCEPTED)

    assert lab.at(f"keys:{FUNCTION}") == {b"7": new.id.encode()}
    lab.cancel(new.id)
    assert lab.at(f"keys:{FUNCTION}") is None


def test_a_replay_is_its_parents_child(lab: Lab):
    parent = new_job_id("mail")
    new = new_job(parent_id=parent)

    lab.replay(fail(lab), new)

    assert lab.at(f"children:{parent}") == [new.id.encode()]


def test_backpressure_replays_nothing(lab: Lab):
    old = fail(lab)
    before = lab.dump()

    with pytest.raises(Backpressure, match="nothing replayed"):
        lab.replay(old, new_job(), max_events=1)

    assert lab.dump() == before


def test_a_discard_repeats_the_ending_and_tells_when_it_failed(lab: Lab):
    old = fail(lab)
    completed = int(lab.fields(old)["completed"])

    assert lab.discard(old) == [DiscardReply(DiscardAnswer.DISCARDED)]

    last = lab.moves(old)[-1]
    assert json.loads(last.data) == {"completed": completed, **json.loads(ERROR)}
    assert (last.extra, last.seq) == (KEPT_MS, int(lab.fields(old)["seq"]))
    assert lab.at(f"dead:{FUNCTION}") is None
    assert lab.replay(old, new_job()) == ReplayReply(ReplayAnswer.DISCARDED)


def test_an_ending_without_facts_makes_json_too(lab: Lab):
    claimed = lab.claim_one()
    lab.settle(claimed.id, claimed.token, JobStatus.FAILED, b"{}", ttl_ms=HOUR_MS)

    lab.discard(claimed.id)

    assert list(json.loads(lab.moves(claimed.id)[-1].data)) == ["completed"]


def test_a_second_discard_tells_nothing(lab: Lab):
    old = fail(lab)
    lab.discard(old)
    before = lab.dump()

    assert lab.discard(old) == [DiscardReply(DiscardAnswer.DISCARDED)]

    assert lab.dump() == before


def test_a_job_that_left_redis_is_discarded_with_what_the_history_knows(lab: Lab):
    unknown = new_job_id("mail")

    (reply,) = lab.discard(Discard(unknown, 9, b'{"completed":5}'))

    assert reply == DiscardReply(DiscardAnswer.DISCARDED)
    (told,) = lab.moves(unknown)
    assert (told.seq, told.move, told.status, told.data) == (
        9,
        Move.DISCARDED,
        JobStatus.FAILED,
        b'{"completed":5}',
    )


def test_without_history_the_keys_end_by_themselves(valkey_url: str, namespace: str):
    lab = Lab(valkey_url, namespace, history=False)
    lab.register()
    replayed, discarded = fail(lab), fail(lab)
    lab.run(b"PERSIST", lab.keys.job(discarded))

    lab.replay(replayed, new_job())
    lab.discard(discarded)

    for job_id in (replayed, discarded):
        assert 0 < lab.run(b"PTTL", lab.keys.job(job_id)) <= KEPT_MS
    assert lab.moves() == []
    lab.close()


async def test_the_broker_does_it_in_a_loop_as_in_a_thread(lab: Lab, broker: Broker):
    first, second = fail(lab), fail(lab)

    replayed = await broker.operator.replay(first, new_job())
    discarded = await broker.operator.discard("mail", Discard(second))
    paused = await broker.operator.pause("mail", FUNCTION, paused=True)

    assert (replayed.answer, discarded.answer, paused) == (
        ReplayAnswer.ACCEPTED,
        DiscardAnswer.DISCARDED,
        True,
    )
    assert lab.claim().jobs == []
