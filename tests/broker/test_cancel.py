"""cancel.lua: end waiting jobs, ask running ones."""

from __future__ import annotations

import json

import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, Lab, new_job
from upnext_django.broker.scripts.cancel import CancelAnswer, CancelReply
from upnext_django.core.lifecycle import JobStatus, Move


@pytest.mark.parametrize("options", [{}, {"delay_ms": HOUR_MS}, {"expires_ms": HOUR_MS}])
def test_a_cancelled_job_that_waited_never_runs(lab: Lab, options: dict[str, int]):
    job_id = lab.submit_one(key="7", reply="c1", **options)

    assert lab.cancel(job_id) == [CancelReply(CancelAnswer.CANCELLED)]

    assert lab.claim().jobs == []
    assert json.loads(lab.fields(job_id)["ending"])["error_type"] == "Cancelled"
    assert len(lab.at("replies:c1")["entries"]) == 1
    left = lab.dump()
    assert not {"scheduled", "expiring", f"keys:{FUNCTION}"} & set(left)


def test_a_retry_that_waits_can_be_cancelled(lab: Lab):
    claimed = lab.claim_one()
    lab.settle(claimed.id, claimed.token, JobStatus.RETRYING, delay_ms=HOUR_MS)

    assert lab.cancel(claimed.id) == [CancelReply(CancelAnswer.CANCELLED)]

    assert lab.at("scheduled") is None


def test_a_running_job_is_asked_through_its_workers_inbox(lab: Lab):
    claimed = lab.claim_one()

    assert lab.cancel(claimed.id) == [CancelReply(CancelAnswer.ASKED)]

    ((_, order),) = lab.at("inbox:w1")["entries"]
    assert order == [b"order", b"cancel", b"j", claimed.id.encode()]
    assert 0 < lab.run(b"PTTL", lab.keys.inbox("w1")) <= HOUR_MS
    assert lab.status(claimed.id) == JobStatus.ACTIVE


def test_asking_twice_orders_twice_and_tells_once(lab: Lab):
    """The first order may have been lost with the worker's memory; the history needs one line."""
    claimed = lab.claim_one()

    lab.cancel(claimed.id)
    lab.cancel(claimed.id)

    assert len(lab.at("inbox:w1")["entries"]) == 2
    assert [m.move for m in lab.moves()].count(Move.CANCEL_ASKED) == 1


def test_a_losing_id_leads_to_the_winner(lab: Lab):
    winner, loser = new_job(key="7"), new_job(key="7")
    lab.submit(winner, loser)

    assert lab.cancel(loser.id) == [CancelReply(CancelAnswer.DUPLICATE, winner=winner.id)]

    assert lab.status(winner.id) == JobStatus.QUEUED


def test_each_job_of_a_batch_has_its_own_answer(lab: Lab):
    done = lab.claim_one()
    lab.settle(done.id, done.token, JobStatus.COMPLETE)
    running = lab.claim_one()
    waiting = lab.submit_one()

    replies = lab.cancel(waiting, running.id, done.id)

    assert [reply.answer for reply in replies] == [
        CancelAnswer.CANCELLED,
        CancelAnswer.ASKED,
        CancelAnswer.FORBIDDEN,
    ]
