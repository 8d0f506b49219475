"""report.lua: keep what a running attempt says."""

from __future__ import annotations

from tests.broker.lab import Lab
from upnext_django.broker.scripts.settle import STALE
from upnext_django.core.lifecycle import Move


def test_progress_is_kept_with_the_job(lab: Lab):
    claimed = lab.claim_one()

    assert lab.report(claimed.id, claimed.token, progress=12.5, message="half of a quarter") == "OK"

    fields = lab.fields(claimed.id)
    assert (fields["progress"], fields["message"]) == ("12.5", "half of a quarter")


def test_what_is_not_said_stays_as_it_was(lab: Lab):
    claimed = lab.claim_one()
    lab.report(claimed.id, claimed.token, progress=12.5, message="m", checkpoint=b"1")

    lab.report(claimed.id, claimed.token)

    fields = lab.fields(claimed.id)
    assert (fields["progress"], fields["message"], fields["checkpoint"]) == ("12.5", "m", "1")


def test_every_report_is_an_event_with_its_data(lab: Lab):
    claimed = lab.claim_one()

    lab.report(claimed.id, claimed.token, data=b'{"logs":[]}')
    lab.report(claimed.id, claimed.token, data=b'{"progress":3}')

    told = [(m.seq, m.data) for m in lab.moves() if m.move is Move.REPORTED]
    assert told == [(3, b'{"logs":[]}'), (4, b'{"progress":3}')]


def test_a_worker_that_lost_its_job_reports_in_vain(lab: Lab):
    claimed = lab.claim_one()
    lab.lose(claimed.id)
    lab.claim(worker="w2")
    before = lab.dump()

    assert lab.report(claimed.id, claimed.token, progress=99.0, checkpoint=b"2") == STALE
    assert lab.dump() == before
