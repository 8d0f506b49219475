"""The cache of results: one job of a key runs, the others end as hits, and nobody waits for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, Lab, new_job
from upnext_django.broker.scripts.claim import ClaimedJob
from upnext_django.broker.scripts.register import Limit
from upnext_django.core.lifecycle import JobStatus, Move

HIT = b'{"cache_hit":true,"result":7}'
KEY = "k1"
CACHE = f"cache:{FUNCTION}:{KEY}"
LINE = f"parked:{FUNCTION}:{KEY}"
LEADERS = f"leaders:{FUNCTION}"


def submit(lab: Lab, **options: Any) -> str:
    return lab.submit_one(cache=KEY, **options)


def lead(lab: Lab, **options: Any) -> ClaimedJob:
    """Submit a job of the key and claim it: it computes the value."""
    return lab.claim_one(cache=KEY, **options)


def park(lab: Lab, number: int = 1, **options: Any) -> list[str]:
    """Submit jobs of a key that somebody computes, and have them claimed."""
    ids = [submit(lab, **options) for _ in range(number)]
    while lab.claim(10).left:
        pass
    assert [lab.fields(job_id).get("entry") for job_id in ids] == [None] * number
    return ids


def complete(lab: Lab, claimed: ClaimedJob, **options: Any) -> str:
    given = {"cached": HIT, "cached_ms": HOUR_MS, "ttl_ms": 9000, **options}
    return lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE, b'{"attempt":1,"result":7}', **given)


def cache(lab: Lab) -> None:
    complete(lab, lead(lab))


def replies(lab: Lab, client: str) -> list[tuple[str, bytes]]:
    entries = lab.run(b"XRANGE", lab.keys.replies(client), b"-", b"+")
    return [(fields[1].decode(), fields[7]) for _, fields in entries]


def left_of_the_key(lab: Lab) -> list[str]:
    return [name for name in lab.dump() if name in (LINE, LEADERS)]


# -- hits


def test_a_cached_value_ends_a_job_at_its_claim(lab: Lab):
    cache(lab)
    job_id = submit(lab, reply="c1", key="order-7", expires_ms=HOUR_MS)

    claimed = lab.claim()

    assert claimed.jobs == []
    fields = lab.fields(job_id)
    assert (fields["state"], fields["ending"].encode()) == ("complete", HIT)
    assert not {"entry", "worker", "started", "attempts"} & fields.keys()
    assert replies(lab, "c1") == [(job_id, HIT)]
    assert lab.at(f"keys:{FUNCTION}") is None
    assert lab.at("expiring") is None
    assert lab.at(f"stream:{FUNCTION}:1")["entries"] == []


def test_a_hit_is_told_with_its_value_and_the_ttl_of_its_key(lab: Lab):
    cache(lab)
    job_id = submit(lab)

    lab.claim()

    last = lab.moves(job_id)[-1]
    assert (last.seq, last.move, last.status, last.token) == (2, Move.CACHE_HIT, JobStatus.COMPLETE, 0)
    assert (last.extra, last.data) == (9000, HIT)


def test_without_history_the_key_of_a_hit_ends_by_itself(valkey_url: str, namespace: str):
    lab = Lab(valkey_url, namespace, history=False)
    lab.register()
    cache(lab)
    job_id = submit(lab)

    lab.claim()

    assert 0 < lab.run(b"PTTL", lab.keys.job(job_id)) <= 9000
    lab.close()


def test_a_value_that_no_job_keeps_reaches_waiters_only(lab: Lab):
    complete(lab, lead(lab), kept=b'{"attempt":1}')
    job_id = submit(lab, reply="c1")

    lab.claim()

    assert replies(lab, "c1") == [(job_id, HIT)]
    assert lab.fields(job_id)["ending"] == lab.moves(job_id)[-1].data.decode() == '{"cache_hit":true}'


def test_hits_take_no_slot_of_the_claim_that_finds_them(lab: Lab):
    cache(lab)
    hits = [submit(lab) for _ in range(30)]
    other = lab.submit_one()

    claimed = lab.claim(1)

    assert [job.id for job in claimed.jobs] == [other]
    assert {lab.status(job_id) for job_id in hits} == {"complete"}


def test_one_claim_ends_a_bounded_number_of_hits(lab: Lab):
    cache(lab)
    lab.submit(*(new_job(cache=KEY) for _ in range(500)))

    first = lab.claim(1)
    ended = sum(move.move is Move.CACHE_HIT for move in lab.moves())

    assert 100 <= ended < 500
    assert first.left
    while lab.claim(1).left:
        pass
    assert sum(move.move is Move.CACHE_HIT for move in lab.moves()) == 500


def test_a_value_is_gone_after_its_time(lab: Lab):
    complete(lab, lead(lab), cached_ms=5000)
    assert 0 < lab.run(b"PTTL", lab.keys.prefix + CACHE) <= 5000
    lab.run(b"DEL", lab.keys.prefix + CACHE)

    again = lead(lab)

    assert again.attempt == 1


def test_another_key_and_no_key_are_not_answered(lab: Lab):
    cache(lab)
    lab.submit(new_job(cache="k2"), new_job())

    assert len(lab.claim(10).jobs) == 2


def test_a_delayed_job_is_a_hit_when_it_is_due(lab: Lab):
    cache(lab)
    job_id = submit(lab, delay_ms=HOUR_MS)
    lab.make_due(job_id)

    lab.claim()

    assert lab.status(job_id) == "complete"


# -- one computes, the others wait


def test_of_one_key_one_job_runs_and_the_others_become_hits(lab: Lab):
    lab.submit(*(new_job(cache=KEY, reply="c1") for _ in range(5)))

    (leader,) = lab.claim(10).jobs
    parked = [job_id.decode() for job_id in lab.at(LINE)]
    complete(lab, leader)

    assert len(parked) == 4
    assert {lab.status(job_id) for job_id in parked} == {"complete"}
    answers = dict(replies(lab, "c1"))
    assert answers.pop(leader.id) == b'{"attempt":1,"result":7}'
    assert answers == dict.fromkeys(parked, HIT)
    assert left_of_the_key(lab) == []


def test_a_parked_job_is_queued_and_has_not_begun(lab: Lab):
    lead(lab)
    (job_id,) = park(lab)

    fields = lab.fields(job_id)

    assert fields["state"] == "queued"
    assert not {"entry", "worker", "attempts", "token"} & fields.keys()
    assert [move.move for move in lab.moves(job_id)] == [Move.SUBMITTED]


@pytest.mark.parametrize("target", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_leader_that_ends_badly_is_followed_by_the_first_in_line(lab: Lab, target: JobStatus):
    leader = lead(lab)
    first, second = park(lab, 2)

    lab.settle(leader.id, leader.token, target)

    assert lab.at(LEADERS) == {KEY.encode(): first.encode()}
    assert [job.id for job in lab.claim(10).jobs] == [first]
    assert list(lab.at(LINE)) == [second.encode()]
    assert lab.at(CACHE) is None, "a failure is not cached"


def test_who_is_woken_goes_before_what_came_later(lab: Lab):
    leader = lead(lab)
    (first,) = park(lab)
    later = lab.submit_one()
    lab.settle(leader.id, leader.token, JobStatus.FAILED)

    assert [job.id for job in lab.claim(10).jobs] == [first, later]


@pytest.mark.parametrize("target", [JobStatus.RETRYING, JobStatus.QUEUED])
def test_a_leader_that_comes_back_still_leads(lab: Lab, target: JobStatus):
    leader = lead(lab)
    (parked,) = park(lab)
    lab.settle(leader.id, leader.token, target, delay_ms=HOUR_MS)
    if target is JobStatus.RETRYING:
        lab.make_due(leader.id)

    (again,) = lab.claim(10).jobs
    complete(lab, again)

    assert again.id == leader.id
    assert lab.status(parked) == "complete"


def test_a_leader_whose_worker_is_lost_still_leads(lab: Lab):
    leader = lead(lab)
    (parked,) = park(lab)
    lab.lose(leader.id)
    lab.claim(10)
    lab.lose(leader.id)

    (again,) = lab.claim(10).jobs
    complete(lab, again)

    assert again.stream == f"suspects:{FUNCTION}"
    assert lab.status(parked) == "complete"


def test_a_leader_that_is_lost_too_often_is_followed(lab: Lab):
    leader = lead(lab)
    (parked,) = park(lab)

    lab.lose(leader.id, max_crashes=0)

    assert lab.status(leader.id) == "failed"
    assert [job.id for job in lab.claim(10).jobs] == [parked]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_a_woken_leader_that_never_starts_is_followed(lab: Lab, end: str):
    leader = lead(lab)
    first, second = park(lab, 1, expires_ms=HOUR_MS) + park(lab)
    lab.settle(leader.id, leader.token, JobStatus.FAILED)

    if end == "cancelled":
        lab.cancel(first)
    else:
        lab.make_expired(first)

    assert [job.id for job in lab.claim(10).jobs] == [second]
    assert lab.status(first) == "cancelled"


def test_a_parked_job_can_be_cancelled_and_expires(lab: Lab):
    leader = lead(lab)
    first, second, third = park(lab, 3, expires_ms=HOUR_MS)

    lab.cancel(first)
    lab.make_expired(second)
    lab.claim(wanted=0)

    assert [lab.status(job_id) for job_id in (first, second, third)] == ["cancelled", "cancelled", "queued"]
    assert list(lab.at(LINE)) == [third.encode()]
    complete(lab, leader)
    assert [lab.status(job_id) for job_id in (first, second, third)] == ["cancelled", "cancelled", "complete"]
    assert left_of_the_key(lab) == []
    assert lab.at("expiring") is None


def test_cancelling_a_whole_line_at_once_leaves_nothing(lab: Lab):
    """The stream of a limit key goes with its last job; the one woken meanwhile must be found in it."""
    lab.register(limit=Limit(cap=1), announce=True)
    leader = lead(lab, digest="aa")
    lab.settle(leader.id, leader.token, JobStatus.RETRYING, delay_ms=HOUR_MS)
    ids = park(lab, 4, digest="aa")

    lab.cancel(leader.id, *ids[:3])

    assert [job.id for job in lab.claim(10).jobs] == [ids[3]]


def test_a_replay_of_a_failed_leader_uses_the_cache_again(lab: Lab):
    leader = lead(lab)
    lab.settle(leader.id, leader.token, JobStatus.FAILED)
    cache(lab)
    new = new_job(cache=KEY)
    lab.replay(leader.id, new)

    lab.claim()

    assert lab.status(new.id) == "complete"


def test_a_leader_that_redis_lost_keeps_nobody_waiting(lab: Lab):
    leader = lead(lab)
    (parked,) = park(lab)
    lab.run(b"DEL", lab.keys.job(leader.id))

    heir = lead(lab)
    complete(lab, heir)

    assert lab.status(parked) == "complete"
    assert left_of_the_key(lab) == []


def test_a_parked_job_that_redis_lost_is_passed_over(lab: Lab):
    leader = lead(lab)
    first, second = park(lab, 2)
    lab.run(b"DEL", lab.keys.job(first))

    lab.settle(leader.id, leader.token, JobStatus.FAILED)

    assert [job.id for job in lab.claim(10).jobs] == [second]


def test_a_late_settle_of_a_lost_leader_caches_nothing(lab: Lab):
    leader = lead(lab)
    lab.lose(leader.id)

    assert complete(lab, leader) == "STALE"
    assert lab.at(CACHE) is None


def test_a_function_that_caches_no_more_runs_them_one_after_the_other(lab: Lab):
    """Its worker settles without a value for the next ones: a deploy took its cache_key away."""
    ran = [lead(lab)]
    park(lab, 3)

    for _ in range(3):
        lab.settle(ran[-1].id, ran[-1].token, JobStatus.COMPLETE)
        ran += lab.claim(10).jobs
    lab.settle(ran[-1].id, ran[-1].token, JobStatus.COMPLETE)

    assert len({job.id for job in ran}) == 4
    assert lab.at(CACHE) is None
    assert left_of_the_key(lab) == []


def test_many_parked_jobs_end_in_several_calls(lab: Lab):
    leader = lead(lab)
    lab.submit(*(new_job(cache=KEY) for _ in range(700)))
    while lab.claim(10).left:
        pass
    assert len(lab.at(LINE)) == 700

    complete(lab, leader)
    at_once = 700 - len(lab.at(LINE) or ())
    while lab.claim(1).left:
        pass

    assert 100 <= at_once < 700
    assert sum(move.move is Move.CACHE_HIT for move in lab.moves()) == 700
    assert left_of_the_key(lab) == []


def test_a_link_of_that_chain_may_be_cancelled_or_outlive_the_value(lab: Lab):
    leader = lead(lab)
    lab.submit(*(new_job(cache=KEY) for _ in range(300)))
    while lab.claim(10).left:
        pass
    complete(lab, leader)
    lab.cancel(lab.at(LEADERS)[KEY.encode()].decode())
    lab.run(b"DEL", lab.keys.prefix + CACHE)

    (heir,) = lab.claim(10).jobs
    complete(lab, heir)

    assert sum(move.move is Move.CACHE_HIT for move in lab.moves()) == 298
    assert left_of_the_key(lab) == []


# -- invalidation


def test_an_invalidated_value_is_computed_again(lab: Lab):
    cache(lab)

    assert lab.invalidate(FUNCTION, KEY)
    assert not lab.invalidate(FUNCTION, KEY), "it is gone"
    assert lead(lab).attempt == 1


def test_a_leader_that_runs_while_its_value_is_invalidated_keeps_it_for_nobody(lab: Lab):
    outdated = lead(lab)
    first, second = park(lab, 2)

    assert not lab.invalidate(FUNCTION, KEY), "there is no value yet"
    (fresh,) = lab.claim(10).jobs
    complete(lab, outdated)

    assert fresh.id == first
    assert lab.at(CACHE) is None
    assert lab.status(second) == "queued"
    complete(lab, fresh)
    assert lab.status(second) == "complete"


def test_an_outdated_leader_that_comes_back_waits_like_the_others(lab: Lab):
    outdated = lead(lab)
    park(lab)
    lab.invalidate(FUNCTION, KEY)
    (fresh,) = lab.claim(10).jobs
    lab.settle(outdated.id, outdated.token, JobStatus.RETRYING)
    lab.make_due(outdated.id)

    assert lab.claim(10).jobs == []
    complete(lab, fresh)

    fields = lab.fields(outdated.id)
    assert (fields["state"], fields["attempts"], fields["ending"]) == ("complete", "1", HIT.decode())


# -- limits


def test_hits_are_no_starts_and_take_no_place(lab: Lab):
    cache(lab)
    lab.register(limit=Limit(cap=1, rate=1, window_ms=60_000), announce=True)
    hits = [submit(lab) for _ in range(5)]
    other = lab.submit_one()

    (claimed,) = lab.claim(10).jobs

    assert claimed.id == other
    assert {lab.status(job_id) for job_id in hits} == {"complete"}
    assert len(lab.at(f"rate:{FUNCTION}")) == 1


def test_a_parked_job_takes_no_place_of_the_cap(lab: Lab):
    lab.register(limit=Limit(cap=2), announce=True)
    lead(lab)
    park(lab, 3)
    other = lab.submit_one()

    assert [job.id for job in lab.claim(10).jobs] == [other]


def test_a_partition_whose_last_read_started_nothing_is_not_blocked(lab: Lab):
    """Blocked by its cap with nobody running, it would wait for an end that never comes."""
    lab.register(limit=Limit(cap=1), announce=True)
    cache(lab)
    submit(lab)

    lab.claim(1)
    job_id = lab.submit_one()

    assert [job.id for job in lab.claim(1).jobs] == [job_id]


def test_the_stream_of_a_limit_key_goes_with_its_last_hit_or_parked_job(lab: Lab):
    lab.register(limit=Limit(cap=2), announce=True)
    leader = lead(lab, digest="aa")
    park(lab, digest="bb")
    assert lab.at("streams") == [f"stream:{FUNCTION}:1:aa".encode()]
    complete(lab, leader)
    submit(lab, digest="cc")

    lab.claim(10)

    assert lab.at("streams") is None


def test_hits_of_a_function_at_its_limit_wait_with_the_others(lab: Lab):
    cache(lab)
    lab.register(limit=Limit(cap=1), announce=True)
    running = lab.claim_one()
    job_id = submit(lab)

    lab.claim(10)
    assert lab.status(job_id) == "queued"
    lab.settle(running.id, running.token, JobStatus.COMPLETE)
    lab.claim(10)

    assert lab.status(job_id) == "complete"


def test_a_paused_function_answers_nothing(lab: Lab):
    cache(lab)
    job_id = submit(lab)
    lab.pause()

    lab.claim(10)

    assert lab.status(job_id) == "queued"
