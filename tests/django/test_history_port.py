"""get_job() finds a job that has left Redis in the history of the database that the settings name."""

from __future__ import annotations

import pytest
from django.test import override_settings
from django.utils import timezone

import upnext_django as upnext
from upnext_django.connection import get_broker
from upnext_django.core.given import key_of_given_id
from upnext_django.core.ids import new_job_id
from upnext_django.models import JobRecord


@pytest.fixture
def redis(valkey_url: str, namespace: str) -> dict[str, str]:
    """The settings of a Redis that holds no job."""
    return {"REDIS_URL": valkey_url, "NAMESPACE": namespace}


def put_row(using: str) -> str:
    job_id = new_job_id("shop")
    JobRecord.objects.using(using).create(
        id=job_id, function="shop.tasks.charge", queue="shop", status="complete", created_at=timezone.now()
    )
    return job_id


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("alias", ["default", "other"])
def test_a_job_is_read_from_the_database_of_the_settings(redis, alias):
    job_id = put_row(alias)

    with override_settings(UPNEXT={**redis, "DATABASE": alias}):
        job = upnext.get_job(job_id)
        get_broker().close()

    assert (job.id, job.status) == (job_id, "complete")


@pytest.mark.django_db
def test_without_a_history_there_is_nothing_to_read(redis):
    job_id = put_row("default")

    with override_settings(UPNEXT={**redis, "HISTORY": False}):
        with pytest.raises(upnext.JobNotFound):
            upnext.get_job(job_id)
        get_broker().close()


@pytest.mark.django_db
def test_a_job_that_left_redis_is_found_by_the_id_its_user_gave(redis):
    made = [new_job_id("shop") for _ in range(3)]
    for job_id, winner in zip(made, (None, None, made[1]), strict=True):
        JobRecord.objects.create(
            id=job_id,
            function="shop.tasks.charge",
            queue="shop",
            status="complete",
            created_at=timezone.now(),
            idempotency_key=key_of_given_id("invoice-7"),
            duplicate_of=winner,
        )

    with override_settings(UPNEXT=redis):
        job = upnext.get_job("invoice-7")
        with pytest.raises(upnext.JobNotFound):
            upnext.get_job("invoice-8")
        with pytest.raises(upnext.JobNotFound):
            upnext.get_job("task_id:invoice-7")
        get_broker().close()

    assert job.id == made[1]
