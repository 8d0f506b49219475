"""watch.lua: be told of a job's end, now or later."""

from __future__ import annotations

from tests.broker.lab import Lab, new_job
from upnext_django.core.job import Ending, SettleData
from upnext_django.core.lifecycle import JobStatus


def test_an_ended_job_answers_at_once(lab: Lab):
    claimed = lab.claim_one()
    lab.settle(claimed.id, claimed.token, JobStatus.FAILED, b'{"attempt":1,"error":"E: x"}')

    seen = lab.watch(claimed.id)

    assert seen.ending == Ending(
        job_id=claimed.id,
        status=JobStatus.FAILED,
        completed_ms=int(lab.fields(claimed.id)["completed"]),
        data=SettleData(attempt=1, error="E: x"),
    )


def test_every_client_that_watches_is_told_once(lab: Lab):
    claimed = lab.claim_one()
    for client in ("c1", "c2", "c1"):
        assert lab.watch(claimed.id, client).ending is None

    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE)

    assert [len(lab.at(f"replies:{client}")["entries"]) for client in ("c1", "c2")] == [1, 1]


def test_a_retry_is_no_end(lab: Lab):
    claimed = lab.claim_one()
    lab.watch(claimed.id)

    lab.settle(claimed.id, claimed.token, JobStatus.RETRYING)

    assert lab.at("replies:c1") is None
    assert lab.watch(claimed.id, "c2").ending is None


def test_a_losing_id_leads_to_the_winner(lab: Lab):
    winner, loser = new_job(key="7"), new_job(key="7")
    lab.submit(winner, loser)

    assert lab.watch(loser.id).winner == winner.id
