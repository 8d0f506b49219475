"""claim.lua: give a worker its next jobs."""

from __future__ import annotations

import json

from tests.broker.lab import FUNCTION, HOUR_MS, Lab, new_job
from upnext_django.core.capability import capability_of
from upnext_django.core.lifecycle import JobStatus, Move

BELL = f"bell:{capability_of([FUNCTION])}"


def test_a_worker_that_never_registered_is_told_so_and_takes_nothing(lab: Lab):
    job_id = lab.submit_one()

    got = lab.claim(functions=["shop.tasks.nobody"])

    assert (got.registered, got.jobs) == (False, [])
    assert lab.status(job_id) == JobStatus.QUEUED


def test_a_claim_fences_and_stamps_the_job(lab: Lab):
    job = new_job()
    lab.submit(job)

    (claimed,) = lab.claim(worker="w7").jobs

    fields = lab.fields(job.id)
    assert (claimed.id, claimed.token, claimed.attempt) == (job.id, 1, 1)
    assert claimed.envelope == job.envelope
    assert int(fields["started"]) == int(fields["first"]) == claimed.started_ms == claimed.first_ms
    assert fields["worker"] == "w7"
    assert json.loads(lab.moves(job.id)[-1].data) == {"worker": "w7", "attempt": 1}


def test_no_more_jobs_are_given_than_wanted(lab: Lab):
    ids = [lab.submit_one() for _ in range(3)]

    got = lab.claim(2)

    assert [job.id for job in got.jobs] == ids[:2]
    assert got.left


def test_a_claim_fills_its_slots_from_several_functions(lab: Lab):
    lab.register(FUNCTION, "shop.tasks.other")
    lab.submit(new_job(), new_job("shop.tasks.other"))

    got = lab.claim(5, functions=[FUNCTION, "shop.tasks.other"])

    assert len(got.jobs) == 2
    assert not got.left


def test_functions_take_turns(lab: Lab):
    both = [FUNCTION, "shop.tasks.other"]
    lab.register(*both)
    lab.submit(*(new_job() for _ in range(3)), *(new_job("shop.tasks.other") for _ in range(3)))

    streams = [lab.claim(functions=both).jobs[0].stream for _ in range(4)]

    assert streams[0] == streams[2] != streams[1] == streams[3]


def test_new_work_does_not_cost_a_function_its_turn(lab: Lab):
    """A function that is submitted to all the time would never be read."""
    both = [FUNCTION, "shop.tasks.other"]
    lab.register(*both)
    lab.submit(*(new_job(function) for function in both for _ in range(3)))
    first = lab.claim(functions=both).jobs[0].stream
    (waiting,) = [function for function in both if function not in first]

    lab.submit(new_job(waiting))

    assert waiting in lab.claim(functions=both).jobs[0].stream


def test_a_higher_lane_goes_first_and_the_order_is_the_readers(lab: Lab):
    low, high = lab.submit_one(lane=2), lab.submit_one(lane=0)

    assert [job.id for job in lab.claim().jobs] == [high]
    another = lab.submit_one(lane=0)
    assert [job.id for job in lab.claim(2, lanes="210").jobs] == [low, another]


def test_a_lane_that_is_not_asked_for_is_not_read(lab: Lab):
    lab.submit_one(lane=2)

    assert lab.claim(lanes="01").jobs == []


def test_work_behind_many_unknown_functions_is_found(lab: Lab):
    lab.submit(*(new_job(f"shop.tasks.unknown{n}") for n in range(70)))
    lab.register(FUNCTION)
    job_id = lab.submit_one()

    assert [job.id for job in lab.claim().jobs] == [job_id]


def test_a_worker_that_leaves_work_rings_for_the_next(lab: Lab):
    lab.submit(new_job(), new_job())
    lab.run(b"DEL", lab.keys.prefix + BELL)

    lab.claim()

    assert lab.at(BELL) == [b"1"]


def test_a_worker_that_takes_all_leaves_the_bell_alone(lab: Lab):
    lab.submit(new_job())
    lab.run(b"DEL", lab.keys.prefix + BELL)

    lab.claim(2)

    assert lab.at(BELL) is None


def test_what_is_due_is_promoted_and_given_by_the_same_claim(lab: Lab):
    job_id = lab.submit_one(delay_ms=HOUR_MS)
    lab.make_due(job_id)

    got = lab.claim()

    assert [job.id for job in got.jobs] == [job_id]
    assert [m.move for m in lab.moves()] == [Move.SUBMITTED, Move.PROMOTED, Move.CLAIMED]


def test_a_claim_says_when_the_next_job_is_due(lab: Lab):
    lab.submit_one(delay_ms=2 * HOUR_MS)
    due_in_ms = lab.claim().due_in_ms

    assert due_in_ms is not None
    assert HOUR_MS < due_in_ms <= 2 * HOUR_MS


def test_an_expiry_before_the_next_delayed_job_is_when_to_look_again(lab: Lab):
    lab.submit_one(delay_ms=2 * HOUR_MS)
    lab.submit_one(function="shop.tasks.unknown", expires_ms=HOUR_MS)

    due_in_ms = lab.claim().due_in_ms

    assert due_in_ms is not None
    assert due_in_ms <= HOUR_MS


def test_with_nothing_ahead_there_is_no_next_moment(lab: Lab):
    assert lab.claim().due_in_ms is None


def test_an_expired_job_is_cancelled_and_never_given(lab: Lab):
    job_id = lab.submit_one(expires_ms=HOUR_MS)
    lab.make_expired(job_id)

    assert lab.claim().jobs == []

    assert lab.status(job_id) == JobStatus.CANCELLED
    assert json.loads(lab.fields(job_id)["ending"])["error"] == "expired before it started"
    assert lab.at(f"stream:{FUNCTION}:1")["entries"] == []


def test_a_job_that_expires_while_a_claim_reads_it_is_not_given(lab: Lab):
    """A claim ends 100 expired jobs at most before it reads: those behind them must not slip through."""
    job_id = lab.submit_one(expires_ms=HOUR_MS)
    lab.run(b"HSET", lab.keys.job(job_id), b"expires", 1)

    assert lab.claim().jobs == []

    assert lab.status(job_id) == JobStatus.CANCELLED
    assert lab.at("expiring") is None
    assert lab.at(f"stream:{FUNCTION}:1")["pending"] == {b"workers": []}


def test_a_started_job_does_not_expire_any_more(lab: Lab):
    claimed = lab.claim_one(expires_ms=HOUR_MS)

    lab.settle(claimed.id, claimed.token, JobStatus.QUEUED)

    assert lab.at("expiring") is None
    assert "expires" not in lab.fields(claimed.id)


def test_a_redelivered_attempt_keeps_the_time_of_its_first_claim(lab: Lab):
    """The ids of its children come from that time: a redelivered parent must find those it had."""
    first = lab.claim_one()
    lab.run(b"HSET", lab.keys.job(first.id), b"first", 1)
    lab.settle(first.id, first.token, JobStatus.QUEUED)

    (again,) = lab.claim().jobs

    assert (again.attempt, again.token, again.first_ms) == (1, 2, 1)


def test_the_checkpoint_comes_with_the_next_attempt(lab: Lab):
    first = lab.claim_one()
    lab.report(first.id, first.token, checkpoint=b'{"row":7}')
    lab.settle(first.id, first.token, JobStatus.RETRYING)
    lab.make_due(first.id)

    (again,) = lab.claim().jobs

    assert (again.checkpoint, again.attempt) == (b'{"row":7}', 2)


def test_suspects_come_one_at_a_time_and_only_where_asked_for(lab: Lab):
    suspects = [lab.submit_one(), lab.submit_one()]
    for _ in range(2):
        lab.claim(2)
        for job_id in suspects:
            lab.make_old(job_id)
        lab.let_recover()
        lab.recover()

    assert lab.claim(5, suspects=False).jobs == []
    assert len(lab.claim(5).jobs) == 1


def test_a_running_job_whose_entry_is_read_again_is_not_started_twice(lab: Lab):
    """A group that was made anew, as after a restore, gives every entry once more."""
    claimed = lab.claim_one()
    stream = lab.keys.prefix + claimed.stream
    lab.run(b"XGROUP", b"SETID", stream, b"workers", b"0")
    lab.run(b"XACK", stream, b"workers", lab.fields(claimed.id)["entry"])
    lab.run(b"ZADD", lab.keys.prefix + "ready:1", 0, FUNCTION)

    assert lab.claim().jobs == []

    assert lab.fields(claimed.id)["token"] == str(claimed.token)
