"""crash.lua: take back a job whose process died while its worker lives."""

from __future__ import annotations

import json

from tests.broker.lab import FUNCTION, Lab
from upnext_django.broker.scripts.settle import MISSING, STALE
from upnext_django.core.ids import new_job_id
from upnext_django.core.lifecycle import JobStatus


def test_it_counts_as_a_lost_lease_does_and_at_once(lab: Lab):
    claimed = lab.claim_one(lane=2)

    assert lab.crash(claimed.id, claimed.token) == JobStatus.QUEUED

    fields = lab.fields(claimed.id)
    assert fields["stream"] == f"stream:{FUNCTION}:0"
    assert (fields["attempts"], fields["crashes"]) == ("0", "1")
    (again,) = lab.claim().jobs
    assert (again.id, again.attempt) == (claimed.id, 1)


def test_told_twice_it_counts_once(lab: Lab):
    claimed = lab.claim_one()
    lab.crash(claimed.id, claimed.token)

    assert lab.crash(claimed.id, claimed.token) == STALE

    assert lab.fields(claimed.id)["crashes"] == "1"


def test_from_the_second_crash_on_the_job_is_a_suspect(lab: Lab):
    claimed = lab.claim_one()
    lab.crash(claimed.id, claimed.token)
    (again,) = lab.claim().jobs

    lab.crash(again.id, again.token)

    assert lab.fields(claimed.id)["stream"] == f"suspects:{FUNCTION}"


def test_past_the_cap_it_is_the_end_and_the_waiter_hears_of_it(lab: Lab):
    claimed = lab.claim_one(reply="c1", key="7")

    assert lab.crash(claimed.id, claimed.token, max_crashes=0) == JobStatus.FAILED

    ending = json.loads(lab.fields(claimed.id)["ending"])
    assert (ending["error_type"], ending["crashes"]) == ("WorkerLost", 1)
    assert list(lab.at(f"dead:{FUNCTION}")) == [claimed.id.encode()]
    assert len(lab.at("replies:c1")["entries"]) == 1


def test_a_job_that_redis_does_not_know_is_missing(lab: Lab):
    assert lab.crash(new_job_id("emails"), 1) == MISSING
