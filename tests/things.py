"""A namespace with a job of each kind in Redis and in the rows, for the tests of who may do what."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from tests.broker.lab import FUNCTION, QUEUE, Lab
from tests.databases import delete_history
from tests.keys import KEY
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.mirror.service import MirrorService
from upnext_django.models import (
    ApiToken,
    ArtifactRecord,
    BulkAction,
    JobRecord,
    OutboxEntry,
    Schedule,
    WorkerRecord,
)
from upnext_django.operations import secrets

__all__ = ["mirror", "things"]


@pytest.fixture
def things(valkey_url: str, namespace: str, rows: None) -> Iterator[Lab]:
    """Give a queue with a waiting job and a failed one with its dead letter, and rows of other kinds."""
    own = {"REDIS_URL": valkey_url, "NAMESPACE": namespace, "SECRETS_KEYS": [KEY]}
    with override_settings(UPNEXT=own):
        lab = Lab(valkey_url, namespace)
        try:
            _fill(lab)
            yield lab
        finally:
            lab.close()
            User.objects.all().delete()
            delete_history("default")


def _fill(lab: Lab) -> None:
    lab.register()
    broker = get_broker()
    lab.run(b"SADD", broker.names.queues, QUEUE)
    lab.run(b"HSET", broker.names.functions, FUNCTION, b'{"queue": "mail", "aliases": []}')
    _fail_one(lab)
    lab.submit_one(envelope=_envelope())
    mirror()
    now = timezone.now()
    failed = JobRecord.objects.order_by("id")[0]
    WorkerRecord.objects.create(id="web1-1", started_at=now, seen_at=now)
    ArtifactRecord.objects.create(
        id=new_job_id(QUEUE), job_id=failed.pk, name="report.txt", size_bytes=0, created_at=now
    )
    BulkAction.objects.create(verb="cancel", status="stopped", until=now, asked_at=now)
    OutboxEntry.objects.create(job_id=new_job_id(QUEUE), function=FUNCTION, queue=QUEUE, item=b"{}")
    Schedule.objects.create(name="nightly", function=FUNCTION, expression="0 0 * * *")
    ApiToken.objects.create(name="robot", owner_id="0", prefix="a" * 12, scopes=["read"], created_at=now)
    secrets.put("stripe_key", "a secret of the test")


def _envelope() -> bytes:
    return msgspec.json.encode(
        Envelope(
            function=FUNCTION, function_name="send", args=msgspec.Raw(b'[[7],{"note":"for the reader"}]')
        )
    )


def _fail_one(lab: Lab) -> None:
    claimed = lab.claim_one(envelope=_envelope())
    data = SettleData(attempt=1, started_ms=1, error_type="ValueError", error="ValueError: no", traceback="T")
    lab.settle(claimed.id, claimed.token, JobStatus.FAILED, msgspec.json.encode(data), ttl_ms=3_600_000)


def mirror() -> None:
    """Have a mirror write all that has happened."""
    service = MirrorService(get_broker())
    service.start()
    try:
        assert service.drain(20)
    finally:
        service.stop()
        assert service.join(10)
