"""Filters by whether something has happened: a worker left, a job was set aside, a token was revoked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from upnext_django.models import ApiToken, OutboxEntry, WorkerRecord

pytestmark = pytest.mark.django_db

_JOB = "019a0000-0000-7000-8000-00000000000"


def two_of(model: type[Model]) -> tuple[Model, Model]:
    """Return a row to which nothing has happened, and one to which it has."""
    now = timezone.now()
    if model is WorkerRecord:
        return WorkerRecord.objects.create(id="w1"), WorkerRecord.objects.create(id="w2", left_at=now)
    if model is ApiToken:
        base: dict[str, Any] = {"owner_id": "1", "created_at": now}
        first = ApiToken.objects.create(name="a", prefix="a", **base)
        return first, ApiToken.objects.create(name="b", prefix="b", revoked_at=now, **base)
    base = {"queue": "mail", "function": "send", "item": b"{}"}
    waiting = OutboxEntry.objects.create(job_id=f"{_JOB}1", **base)
    return waiting, OutboxEntry.objects.create(job_id=f"{_JOB}2", set_aside_at=now, **base)


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        (WorkerRecord, "running", "left"),
        (OutboxEntry, "waiting", "set_aside"),
        (ApiToken, "usable", "revoked"),
    ],
)
def test_rows_are_told_apart(admin_client: Client, model: type[Model], before: str, after: str):
    first, second = two_of(model)

    def shown(**query: str) -> set[Any]:
        page = admin_client.get(f"/admin/upnext/{model._meta.model_name}/", query)
        assert page.status_code == 200
        return {row.pk for row in page.context["cl"].result_list}

    assert shown() == {first.pk, second.pk}
    assert shown(state=before) == {first.pk}
    assert shown(state=after) == {second.pk}
    assert shown(state="nonsense") == {first.pk, second.pk}
