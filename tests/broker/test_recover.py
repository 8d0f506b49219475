"""recover.lua: take back the jobs of silent workers."""

from __future__ import annotations

import json

from tests.broker.lab import FUNCTION, LEASE_MS, Lab
from upnext_django.broker.scripts.renew import RenewReply
from upnext_django.core.lifecycle import JobStatus, Move


def test_a_silent_workers_job_is_queued_in_front_with_its_attempt_restored(lab: Lab):
    claimed = lab.claim_one(lane=2)

    assert lab.lose(claimed.id) == 1

    fields = lab.fields(claimed.id)
    assert fields["state"] == JobStatus.QUEUED
    assert fields["stream"] == f"stream:{FUNCTION}:0"
    assert (fields["attempts"], fields["crashes"]) == ("0", "1")


def test_a_worker_that_comes_back_hears_that_its_job_is_lost(lab: Lab):
    claimed = lab.claim_one()

    lab.lose(claimed.id)

    assert lab.renew((claimed.id, claimed.token)) == [RenewReply.LOST]


def test_a_job_whose_lease_holds_is_left_alone(lab: Lab):
    lab.claim_one()
    lab.let_recover()

    assert lab.recover() == 0


def test_from_the_second_crash_on_a_job_is_a_suspect(lab: Lab):
    claimed = lab.claim_one()
    lab.lose(claimed.id)
    lab.claim()

    lab.lose(claimed.id)

    assert lab.fields(claimed.id)["stream"] == f"suspects:{FUNCTION}"
    assert list(lab.at("ready:s")) == [FUNCTION.encode()]


def test_a_crash_past_the_cap_is_the_end(lab: Lab):
    claimed = lab.claim_one(reply="c1", key="7")

    for _ in range(4):
        lab.lose(claimed.id)
        lab.claim()

    ending = json.loads(lab.fields(claimed.id)["ending"])
    assert lab.status(claimed.id) == JobStatus.FAILED
    assert (ending["error_type"], ending["crashes"], ending["worker"]) == ("WorkerLost", 4, "w1")
    assert lab.fields(claimed.id)["crashes"] == "4"
    assert list(lab.at(f"dead:{FUNCTION}")) == [claimed.id.encode()]
    assert lab.at(f"keys:{FUNCTION}") is None
    assert len(lab.at("replies:c1")["entries"]) == 1


def test_the_jobs_that_failed_for_good_are_named(lab: Lab):
    died, cancelled, lives = lab.claim_one(), lab.claim_one(), lab.claim_one()
    for claimed in (died, cancelled):
        lab.run(b"HSET", lab.keys.job(claimed.id), b"crashes", 3)
    lab.cancel(cancelled.id)
    for claimed in (died, cancelled, lives):
        lab.make_old(claimed.id)
    lab.let_recover()

    assert lab.recovered() == (3, [died.id])


def test_a_lost_job_whose_cancel_was_asked_for_ends_as_cancelled(lab: Lab):
    claimed = lab.claim_one(reply="c1")
    lab.cancel(claimed.id)

    lab.lose(claimed.id)

    assert lab.status(claimed.id) == JobStatus.CANCELLED
    assert json.loads(lab.fields(claimed.id)["ending"])["error_type"] == "Cancelled"
    assert len(lab.at("replies:c1")["entries"]) == 1


def test_the_first_pass_waits_one_whole_lease(lab: Lab):
    """Redis may have been away: nobody could have renewed, so nobody is guilty of silence."""
    claimed = lab.claim_one()
    lab.make_old(claimed.id)
    lab.run(b"HSET", lab.keys.prefix + "recovery", b"last", lab.now_ms() - LEASE_MS)

    assert lab.recover() == 0

    lab.run(b"HINCRBY", lab.keys.prefix + "recovery", b"last", -LEASE_MS // 3)
    assert lab.recover() == 0
    assert lab.status(claimed.id) == JobStatus.ACTIVE


def test_after_the_grace_lost_jobs_are_taken_back(lab: Lab):
    claimed = lab.claim_one()
    lab.make_old(claimed.id)
    lab.let_recover()
    lab.run(b"HSET", lab.keys.prefix + "recovery", b"grace", lab.now_ms() - 1)

    assert lab.recover() == 1
    assert b"grace" not in lab.at("recovery")


def test_a_clock_that_went_back_gives_one_lease_of_grace(lab: Lab):
    claimed = lab.claim_one()
    lab.make_old(claimed.id)
    lab.run(b"HSET", lab.keys.prefix + "recovery", b"last", lab.now_ms() + 10 * LEASE_MS)

    assert lab.recover() == 0
    assert int(lab.at("recovery")[b"grace"]) <= lab.now_ms() + LEASE_MS


def test_a_grace_far_ahead_does_not_stop_recovery_for_ever(lab: Lab):
    claimed = lab.claim_one()
    lab.make_old(claimed.id)
    lab.let_recover()
    lab.run(b"HSET", lab.keys.prefix + "recovery", b"grace", lab.now_ms() + 10 * LEASE_MS)

    assert lab.recover() == 1


def test_passes_shortly_after_each_other_cost_nothing(lab: Lab):
    lab.let_recover()
    lab.recover()
    claimed = lab.claim_one()
    lab.make_old(claimed.id)

    assert lab.recover() == 0


def test_one_pass_takes_back_a_hundred_jobs_and_the_next_the_rest(lab: Lab):
    for lane in (0, 1):
        for _ in range(80):
            lab.submit_one(lane=lane)
    for job in [*lab.claim(80).jobs, *lab.claim(80).jobs]:
        lab.make_old(job.id)

    lab.let_recover()
    assert lab.recover() == 100
    lab.let_recover()
    assert lab.recover() == 60


def test_a_lease_whose_entry_is_gone_is_forgotten(lab: Lab):
    claimed = lab.claim_one()
    lab.make_old(claimed.id)
    fields = lab.fields(claimed.id)
    lab.run(b"XDEL", lab.keys.prefix + fields["stream"], fields["entry"])
    lab.let_recover()

    assert lab.recover() == 0

    assert lab.at(fields["stream"])["pending"] == {b"workers": []}


def test_a_stream_that_is_gone_is_forgotten(lab: Lab):
    lab.run(b"SADD", lab.keys.prefix + "streams", f"stream:{FUNCTION}:2")
    lab.let_recover()

    assert lab.recover() == 0

    assert lab.at("streams") is None


def test_the_event_names_the_lost_worker_and_the_attempt(lab: Lab):
    claimed = lab.claim_one()

    lab.lose(claimed.id)

    move = lab.moves()[-1]
    assert (move.move, move.status, move.token) == (Move.RECOVERED, JobStatus.QUEUED, 1)
    facts = json.loads(move.data)
    assert (facts["attempt"], facts["crashes"], facts["worker"]) == (1, 1, "w1")


def test_recovery_rings(lab: Lab):
    claimed = lab.claim_one()
    (capability,) = lab.at(f"knows:{FUNCTION}")
    lab.run(b"DEL", lab.keys.bell(capability.decode()))

    lab.lose(claimed.id)

    assert lab.at(f"bell:{capability.decode()}") == [b"1"]
