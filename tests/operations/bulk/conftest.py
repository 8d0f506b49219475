"""Many jobs on the real server, each with its row, and the service that goes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from tests.broker.lab import FUNCTION, Lab
from upnext_django.connection import get_broker
from upnext_django.core.job import Envelope, SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.models import BulkAction, DeadLetterRecord, JobRecord
from upnext_django.operations.bulk.service import BulkService

_ENVELOPE = msgspec.json.encode(Envelope(function=FUNCTION, function_name="send"))


@pytest.fixture(autouse=True)
def nobody(lab: Lab) -> Iterator[None]:
    """Let no user of a test stay."""
    yield
    User.objects.all().delete()


@pytest.fixture
def work(lab: Lab) -> Callable[[], None]:
    """Give what lets a service go through all that is open."""

    def drain() -> None:
        service = BulkService(get_broker())
        service.start()
        try:
            assert service.drain(20)
        finally:
            service.stop()
            assert service.join(10)

    return drain


@pytest.fixture
def waiting(lab: Lab) -> Callable[[int], list[str]]:
    """Give what submits so many jobs, in Redis and in the rows."""

    def make(count: int) -> list[str]:
        keys = [lab.submit_one(envelope=_ENVELOPE) for _ in range(count)]
        JobRecord.objects.bulk_create(_row(key, "queued", completed_at=None) for key in keys)
        return keys

    return make


@pytest.fixture
def failed(lab: Lab) -> Callable[[int], list[str]]:
    """Give what makes so many dead letters, in Redis and in the rows."""

    def make(count: int) -> list[str]:
        keys = []
        for _ in range(count):
            claimed = lab.claim_one(envelope=_ENVELOPE)
            data = SettleData(attempt=1, started_ms=1, error_type="ValueError", error="no", traceback="T")
            ending = msgspec.json.encode(data)
            lab.settle(claimed.id, claimed.token, JobStatus.FAILED, ending, ttl_ms=3_600_000)
            keys.append(claimed.id)
        now = timezone.now() - timedelta(seconds=5)
        JobRecord.objects.bulk_create(_row(key, "failed", error_type="ValueError") for key in keys)
        DeadLetterRecord.objects.bulk_create(
            DeadLetterRecord(
                job_id=key,
                function=FUNCTION,
                function_name="send",
                queue="mail",
                failed_at=now,
                attempts=1,
                crashes=0,
                error_type="ValueError",
                fingerprint="f" * 16,
            )
            for key in keys
        )
        return keys

    return make


def _row(key: str, status: str, **columns: Any) -> JobRecord:
    now = timezone.now() - timedelta(seconds=5)
    fields: dict[str, Any] = {
        "function": FUNCTION,
        "function_name": "send",
        "queue": "mail",
        "root_id": key,
        "created_at": now,
        "completed_at": now,
        **columns,
    }
    return JobRecord(id=key, status=status, **fields)


@pytest.fixture
def person(nobody: None) -> Callable[..., User]:
    """Give what makes a user of the staff with these permissions."""

    def make(*codenames: str, name: str = "ada") -> User:
        user = User.objects.create_user(name, is_staff=True)
        found = Permission.objects.filter(codename__in=codenames, content_type__app_label="upnext")
        assert {one.codename for one in found} == set(codenames)
        user.user_permissions.set(found)
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def again() -> Callable[[BulkAction], BulkAction]:
    """Give what reads an action anew."""
    return lambda action: BulkAction.objects.get(pk=action.pk)
