"""submit.lua: accept jobs in one write."""

from __future__ import annotations

import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, Lab, new_job
from upnext_django.broker.scripts.submit import BATCH
from upnext_django.core.job import SubmitAnswer, SubmitReply
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.exceptions import Backpressure

ACCEPTED = SubmitReply(SubmitAnswer.ACCEPTED)


def test_a_job_waits_in_the_stream_of_its_function_and_lane(lab: Lab):
    job = new_job(lane=2, digest="d1")

    assert lab.submit(job) == [ACCEPTED]

    fields = lab.fields(job.id)
    stream = lab.at(f"stream:{FUNCTION}:2:d1")
    assert stream["entries"] == [[fields["entry"].encode(), [b"j", job.id.encode()]]]
    assert fields["state"] == JobStatus.QUEUED
    assert fields["env"].encode() == job.envelope
    assert lab.at("ready:2") == {f"{FUNCTION}:d1".encode(): b"0"}


def test_the_event_of_a_submit_carries_the_copy_for_history(lab: Lab):
    job = new_job(shown=b'{"fn":"masked"}')

    lab.submit(job)

    (move,) = lab.moves()
    assert (move.job_id, move.seq, move.move, move.status) == (job.id, 1, Move.SUBMITTED, JobStatus.QUEUED)
    assert move.data == b'{"fn":"masked"}'


def test_the_event_of_a_submit_is_the_envelope_where_nothing_is_masked(lab: Lab):
    job = new_job()

    lab.submit(job)

    assert [move.data for move in lab.moves()] == [job.envelope]


def test_a_delay_counts_from_rediss_clock(lab: Lab):
    before = lab.now_ms()
    job_id = lab.submit_one(delay_ms=HOUR_MS)
    after = lab.now_ms()

    run_at = int(lab.fields(job_id)["run_at"])
    assert before + HOUR_MS <= run_at <= after + HOUR_MS
    assert lab.at("scheduled") == {job_id.encode(): b"%d" % run_at}
    assert [move.extra for move in lab.moves()] == [run_at]


def test_a_moment_in_the_future_is_when_the_job_runs(lab: Lab):
    at_ms = lab.now_ms() + HOUR_MS

    job_id = lab.submit_one(at_ms=at_ms)

    assert lab.status(job_id) == JobStatus.SCHEDULED
    assert lab.at("scheduled") == {job_id.encode(): b"%d" % at_ms}


def test_a_moment_in_the_past_is_now(lab: Lab):
    job_id = lab.submit_one(at_ms=1)

    assert lab.status(job_id) == JobStatus.QUEUED


def test_expiry_counts_from_the_moment_the_job_may_run(lab: Lab):
    now = lab.now_ms()

    job_id = lab.submit_one(delay_ms=2 * HOUR_MS, expires_ms=HOUR_MS)

    assert int(lab.fields(job_id)["expires"]) >= now + 3 * HOUR_MS
    assert lab.at("expiring") == {job_id.encode(): lab.fields(job_id)["expires"].encode()}


def test_a_key_belongs_to_one_live_job_and_a_second_submit_leads_to_it(lab: Lab):
    winner, loser = new_job(key="order-7"), new_job(key="order-7")

    replies = lab.submit(winner, loser)

    assert replies == [ACCEPTED, SubmitReply(SubmitAnswer.DUPLICATE, winner.id)]
    assert lab.fields(loser.id)["duplicate_of"] == winner.id
    assert lab.run(b"PTTL", lab.keys.job(loser.id)) > 0
    assert [m.move for m in lab.moves(loser.id)] == [Move.DUPLICATED]
    assert b'"duplicate_of":"%s","fn":' % winner.id.encode() in lab.moves(loser.id)[0].data


def test_the_same_key_of_two_functions_is_two_keys(lab: Lab):
    replies = lab.submit(new_job(key="7"), new_job("shop.tasks.other", key="7"))

    assert replies == [ACCEPTED, ACCEPTED]


@pytest.mark.parametrize("end", [JobStatus.COMPLETE, JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_end_frees_the_key(lab: Lab, end: JobStatus):
    first = lab.claim_one(key="7")

    lab.settle(first.id, first.token, end)

    assert lab.submit(new_job(key="7")) == [ACCEPTED]


def test_an_end_does_not_free_a_key_that_meanwhile_belongs_to_another(lab: Lab):
    first = lab.claim_one(key="7")
    other = new_job()
    lab.run(b"HSET", f"{lab.keys.prefix}keys:{FUNCTION}", "7", other.id)

    lab.settle(first.id, first.token, JobStatus.COMPLETE)

    assert lab.at(f"keys:{FUNCTION}") == {b"7": other.id.encode()}


def test_a_child_is_in_its_parents_set_for_a_day(lab: Lab):
    parent, child = new_job(), new_job()

    lab.submit(parent)
    lab.submit(new_job(id=child.id, parent_id=parent.id))

    assert lab.at(f"children:{parent.id}") == [child.id.encode()]
    assert 23 * HOUR_MS < lab.run(b"PTTL", lab.keys.children(parent.id)) <= 24 * HOUR_MS


def test_past_the_events_cap_nothing_is_queued(lab: Lab):
    lab.submit(new_job())
    lab.submit(new_job(), max_events=2)
    before = lab.dump()

    with pytest.raises(Backpressure, match="2 events wait for the mirror"):
        lab.submit(new_job(), max_events=2)

    assert lab.dump() == before


def test_a_whole_batch_is_one_event_entry(lab: Lab):
    jobs = [new_job() for _ in range(BATCH)]

    assert lab.submit(*jobs) == [ACCEPTED] * BATCH

    assert len(lab.at("events")["entries"]) == 1
    assert [move.job_id for move in lab.moves()] == [job.id for job in jobs]


def test_a_submit_rings_once_for_each_capability_that_knows_the_function(lab: Lab):
    lab.register(FUNCTION, "shop.tasks.other")
    empty_bells(lab)

    lab.submit(new_job(), new_job())
    lab.submit(new_job(lane=0))

    assert sorted(name for name in lab.dump() if name.startswith("bell:")) == sorted(bells_of(lab))
    assert all(lab.at(bell) == [b"1"] for bell in bells_of(lab))


def test_only_the_earliest_of_delayed_jobs_rings(lab: Lab):
    empty_bells(lab)
    lab.submit_one(delay_ms=HOUR_MS)
    (bell,) = bells_of(lab)
    assert lab.at(bell) == [b"1"]
    empty_bells(lab)

    lab.submit_one(delay_ms=2 * HOUR_MS)

    assert lab.at(bell) is None


def test_without_history_there_are_no_events(valkey_url: str, namespace: str):
    lab = Lab(valkey_url, namespace, history=False)

    lab.submit(new_job(), max_events=0)

    assert lab.at("events") is None
    lab.close()


def bells_of(lab: Lab) -> list[str]:
    return [f"bell:{capability.decode()}" for capability in lab.at(f"knows:{FUNCTION}")]


def empty_bells(lab: Lab) -> None:
    for bell in bells_of(lab):
        lab.run(b"DEL", lab.keys.prefix + bell)
