"""settle.lua: end attempts."""

from __future__ import annotations

import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, Lab
from upnext_django.broker.scripts.settle import STALE, Settlement
from upnext_django.core.lifecycle import JobStatus, Move


def test_a_lost_claim_cannot_settle(lab: Lab):
    first = lab.claim_one()
    lab.lose(first.id)
    (second,) = lab.claim(worker="w2").jobs

    assert lab.settle(first.id, first.token, JobStatus.COMPLETE) == STALE

    assert lab.status(first.id) == JobStatus.ACTIVE
    assert lab.settle(second.id, second.token, JobStatus.COMPLETE) == JobStatus.COMPLETE


def test_a_repeated_settle_is_stale(lab: Lab):
    claimed = lab.claim_one()
    one = Settlement(claimed.id, claimed.token, JobStatus.COMPLETE, b"{}")

    assert lab.settle_all(one, one) == [JobStatus.COMPLETE, STALE]
    assert lab.settle_all(one) == [STALE]
    assert [m.move for m in lab.moves()].count(Move.SETTLED) == 1


def test_an_end_leaves_no_entry_behind(lab: Lab):
    lab.submit_one()
    lab.submit_one()
    jobs = lab.claim(2).jobs

    lab.settle_all(*(Settlement(job.id, job.token, JobStatus.COMPLETE, b"{}") for job in jobs))

    stream = lab.at(f"stream:{FUNCTION}:1")
    assert (stream["entries"], stream["pending"]) == ([], {b"workers": []})


def test_waiters_get_the_result_that_redis_does_not_keep(lab: Lab):
    claimed = lab.claim_one(reply="c1")

    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE, b'{"result":1}', kept=b'{"attempt":1}')

    ((_, reply),) = lab.at("replies:c1")["entries"]
    assert reply[:4] == [b"j", claimed.id.encode(), b"s", b"complete"]
    assert reply[-1] == b'{"result":1}'
    assert 0 < lab.run(b"PTTL", lab.keys.replies("c1")) <= HOUR_MS
    assert lab.fields(claimed.id)["ending"] == '{"attempt":1}'
    assert lab.moves()[-1].data == b'{"attempt":1}'


def test_what_is_kept_is_what_waiters_get_where_nothing_else_is_said(lab: Lab):
    claimed = lab.claim_one()

    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE, b'{"result":1}')

    assert lab.fields(claimed.id)["ending"] == '{"result":1}'


def test_no_key_expires_before_its_end_is_mirrored(lab: Lab):
    claimed = lab.claim_one()

    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE, ttl_ms=5_000)

    assert lab.run(b"PTTL", lab.keys.job(claimed.id)) == -1
    assert lab.moves()[-1].extra == 5_000


def test_without_history_an_ended_job_expires_by_itself(valkey_url: str, namespace: str):
    lab = Lab(valkey_url, namespace, history=False)
    lab.register()
    claimed = lab.claim_one()

    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE, ttl_ms=HOUR_MS)

    assert 0 < lab.run(b"PTTL", lab.keys.job(claimed.id)) <= HOUR_MS
    lab.close()


def test_a_retry_waits_for_its_delay_and_starts_a_new_attempt(lab: Lab):
    claimed = lab.claim_one()
    now = lab.now_ms()

    lab.settle(claimed.id, claimed.token, JobStatus.RETRYING, b'{"error":"x"}', delay_ms=HOUR_MS)

    run_at = int(lab.fields(claimed.id)["run_at"])
    assert run_at >= now + HOUR_MS
    assert lab.at("scheduled") == {claimed.id.encode(): b"%d" % run_at}
    assert lab.moves()[-1].extra == run_at
    # Its children are new ones, so nothing of the old attempt's first claim may stay.
    assert "first" not in lab.fields(claimed.id)


def test_a_failed_job_is_a_dead_letter(lab: Lab):
    claimed = lab.claim_one()

    lab.settle(claimed.id, claimed.token, JobStatus.FAILED)

    assert list(lab.at(f"dead:{FUNCTION}")) == [claimed.id.encode()]


def test_a_handed_back_job_goes_to_the_front_lane_with_its_attempt_restored(lab: Lab):
    claimed = lab.claim_one(lane=2, digest="d1")

    for n in (1, 2):
        lab.settle(claimed.id, n, JobStatus.QUEUED)
        assert len(lab.claim().jobs) == 1

    fields = lab.fields(claimed.id)
    assert fields["stream"] == f"stream:{FUNCTION}:0:d1"
    assert (fields["attempts"], fields["handbacks"], fields["token"]) == ("1", "2", "3")


def test_a_hand_back_rings(lab: Lab):
    claimed = lab.claim_one()
    (capability,) = lab.at(f"knows:{FUNCTION}")
    lab.run(b"DEL", lab.keys.bell(capability.decode()))

    lab.settle(claimed.id, claimed.token, JobStatus.QUEUED)

    assert lab.at(f"bell:{capability.decode()}") == [b"1"]


@pytest.mark.parametrize("end", [JobStatus.QUEUED, JobStatus.RETRYING, JobStatus.FAILED])
def test_a_job_whose_cancel_was_asked_for_never_runs_again(lab: Lab, end: JobStatus):
    claimed = lab.claim_one()
    lab.cancel(claimed.id)

    assert lab.settle(claimed.id, claimed.token, end) == JobStatus.CANCELLED

    assert lab.at("scheduled") is None
    assert lab.at(f"dead:{FUNCTION}") is None
    assert lab.claim().jobs == []
