"""Jobs that an operator deletes from the history."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from tests.admin.rows import a_job, an_attempt, job_id
from upnext_django.models import ArtifactRecord, AttemptRecord, DeadLetterRecord, JobRecord
from upnext_django.operations import deletion

pytestmark = pytest.mark.django_db


def a_letter(number: int, **columns: Any) -> DeadLetterRecord:
    return DeadLetterRecord.objects.create(
        job_id=job_id(number),
        function="f",
        function_name="f",
        queue="q",
        failed_at=timezone.now(),
        attempts=1,
        crashes=0,
        **columns,
    )


def left() -> list[str]:
    return sorted(JobRecord.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("status", ["scheduled", "queued", "active", "retrying"])
def test_a_job_that_has_not_ended_is_refused(status: str):
    a_job(1, status=status)

    outcome = deletion.delete_many([job_id(1)])

    assert "only a job that has ended" in outcome.refused[job_id(1)]
    assert left() == [job_id(1)]


def test_an_open_dead_letter_is_refused_and_a_decided_one_goes():
    for number in (1, 2, 3):
        a_job(number, status="failed")
    a_letter(1)
    a_letter(2, discarded_at=timezone.now())
    a_letter(3, replayed_as=job_id(9))

    outcome = deletion.delete_many([job_id(number) for number in (1, 2, 3)])

    assert "replay or discard it first" in outcome.refused[job_id(1)]
    assert left() == [job_id(1)]
    assert DeadLetterRecord.objects.count() == 1


def test_a_parent_goes_only_with_its_children():
    a_job(1)
    a_job(2, parent_id=job_id(1), root_id=job_id(1))
    a_job(3, parent_id=job_id(2), root_id=job_id(1))

    refused = deletion.delete_many([job_id(1), job_id(2)])
    assert refused.done == {}
    assert "has children that stay" in refused.refused[job_id(1)]

    outcome = deletion.delete_many([job_id(1), job_id(2), job_id(3)])
    assert len(outcome.done) == 3
    assert left() == []


def test_a_parent_of_a_live_child_stays():
    a_job(1)
    a_job(2, parent_id=job_id(1), status="active")

    outcome = deletion.delete_many([job_id(1), job_id(2)])

    assert set(outcome.refused) == {job_id(1), job_id(2)}
    assert left() == [job_id(1), job_id(2)]


def test_what_is_gone_already_is_refused_and_does_not_stop_the_rest():
    a_job(1)

    outcome = deletion.delete_many([job_id(1), job_id(2), job_id(1)])

    assert outcome.done == {job_id(1): ""}
    assert set(outcome.refused) == {job_id(2)}


def test_more_than_one_statement_takes_are_deleted():
    for number in range(7):
        an_attempt(a_job(number, parent_id=job_id(number - 1) if number else None), 1)

    outcome = deletion.delete_many([job_id(number) for number in range(7)], chunk=2)

    assert len(outcome.done) == 7
    assert left() == []
    assert AttemptRecord.objects.count() == 0


def test_the_files_of_artifacts_go_with_the_rows(settings: Any, tmp_path: Any):
    settings.MEDIA_ROOT = str(tmp_path)
    job = a_job(1)
    path = default_storage.save("one.txt", ContentFile(b"text"))
    ArtifactRecord.objects.create(
        id=job_id(9), job_id=job.pk, path=path, size_bytes=4, created_at=timezone.now()
    )

    deletion.delete_many([job.pk])

    assert not default_storage.exists(path)
    assert ArtifactRecord.objects.count() == 0
