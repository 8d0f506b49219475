"""renew.lua: prove leases."""

from __future__ import annotations

from tests.broker.lab import LEASE_MS, Lab
from upnext_django.broker.scripts.renew import RenewReply


def test_a_renewed_lease_starts_over(lab: Lab):
    claimed = lab.claim_one()
    lab.make_old(claimed.id)

    assert lab.renew((claimed.id, claimed.token)) == [RenewReply.OK]

    assert lab.idle_ms(claimed.id) < LEASE_MS
    lab.let_recover()
    assert lab.recover() == 0


def test_a_renewal_is_no_delivery(lab: Lab):
    claimed = lab.claim_one()

    lab.renew((claimed.id, claimed.token))

    (stream,) = [value for name, value in lab.dump().items() if name.startswith("stream:")]
    ((_, _, _, deliveries),) = stream["pending"][b"workers"]
    assert deliveries == 1


def test_a_young_lease_is_renewed_too(lab: Lab):
    """The heartbeat renews every third of a lease, whatever the entry's age."""
    claimed = lab.claim_one()
    fields = lab.fields(claimed.id)
    stream = lab.keys.prefix + fields["stream"]
    lab.run(b"XCLAIM", stream, b"workers", b"worker", 0, fields["entry"], b"IDLE", LEASE_MS // 2, b"JUSTID")

    lab.renew((claimed.id, claimed.token))

    assert lab.idle_ms(claimed.id) < LEASE_MS // 2


def test_each_job_has_its_own_answer(lab: Lab):
    lab.submit_one()
    lab.submit_one()
    lab.submit_one()
    kept, asked, lost = lab.claim(3).jobs
    lab.cancel(asked.id)
    lab.lose(lost.id)

    replies = lab.renew(*((job.id, job.token) for job in (kept, asked, lost)))

    assert replies == [RenewReply.OK, RenewReply.CANCEL, RenewReply.LOST]
