"""Files of artifacts that no row leads to are found and deleted; all others stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.test import override_settings
from django.utils import timezone

from upnext_django.core.artifact import ArtifactType, path_of
from upnext_django.core.ids import new_job_id
from upnext_django.models import ArtifactRecord, JobRecord
from upnext_django.operations import retention
from upnext_django.storage import artifact_storage

pytestmark = pytest.mark.django_db(transaction=True)

NOW = timezone.now()
A_DAY_AGO = NOW - timedelta(hours=26)
LONG_AGO = NOW - timedelta(days=40)
VERY_LONG_AGO = NOW - timedelta(days=120)


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[Path]:
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        yield tmp_path


def a_file(written_at: datetime, job_id: str | None = None) -> tuple[str, str]:
    """Have a file of that moment; return its artifact's id and its path."""
    artifact = new_job_id("q")
    at_ms = int(written_at.timestamp() * 1000)
    path = path_of(artifact, job_id or new_job_id("q"), ArtifactType.TEXT, at_ms)
    return artifact, artifact_storage().save(path, ContentFile(b"text"))


def a_job(created_at: datetime, completed_at: datetime | None) -> str:
    status = "active" if completed_at is None else "failed"
    job = JobRecord.objects.create(
        id=new_job_id("q"),
        function="f",
        queue="q",
        status=status,
        created_at=created_at,
        completed_at=completed_at,
    )
    return str(job.pk)


def exists(path: str) -> bool:
    return bool(artifact_storage().exists(path))


def test_a_file_that_was_never_reported_goes_a_day_after_its_job_has_ended():
    _, stray = a_file(A_DAY_AGO, a_job(A_DAY_AGO, NOW - timedelta(hours=25)))
    _, of_a_running_job = a_file(A_DAY_AGO, a_job(A_DAY_AGO, None))
    _, of_an_ending_job = a_file(A_DAY_AGO, a_job(A_DAY_AGO, NOW - timedelta(hours=1)))
    _, of_an_unknown_job = a_file(A_DAY_AGO)
    _, young = a_file(NOW, a_job(NOW, NOW))

    assert retention.prune().files == 1

    assert not exists(stray)
    assert all(map(exists, (of_a_running_job, of_an_ending_job, of_an_unknown_job, young)))


def test_a_file_with_a_row_stays():
    job = a_job(A_DAY_AGO, NOW - timedelta(hours=25))
    artifact, path = a_file(A_DAY_AGO, job)
    ArtifactRecord.objects.create(
        id=artifact, job_id=job, name="n", artifact_type="text", size_bytes=4, path=path, created_at=NOW
    )

    assert retention.prune(all_files=True).files == 0
    assert exists(path)


def test_a_file_of_a_job_without_a_row_goes_when_no_row_could_be_so_old():
    _, old = a_file(VERY_LONG_AGO)
    _, younger = a_file(LONG_AGO)

    assert retention.prune(all_files=True).files == 1

    assert not exists(old)
    assert exists(younger)


def test_between_a_day_and_the_retention_only_a_whole_run_looks():
    _, stray = a_file(LONG_AGO, a_job(LONG_AGO, LONG_AGO))

    assert retention.prune().files == 0
    assert retention.prune(all_files=True).files == 1
    assert retention.prune(all_files=True).files == 0
    assert not exists(stray)


def test_a_folder_that_is_empty_goes_and_foreign_files_stay(media: Path):
    _, path = a_file(VERY_LONG_AGO)
    foreign = media / "upnext" / "2020-01-01T00" / "somebody's.txt"
    foreign.parent.mkdir()
    foreign.write_text("not ours")
    (media / "upnext" / "notes").mkdir()

    retention.prune(all_files=True)

    assert not (media / path).parent.exists()
    assert foreign.exists()
    assert (media / "upnext" / "notes").exists()


def test_without_any_artifact_there_is_nothing_to_do():
    assert retention.prune(all_files=True).files == 0


def test_an_hour_is_named_in_utc():
    assert path_of("a", "j", ArtifactType.TEXT, 0) == "upnext/1970-01-01T00/j.a.txt"
    assert datetime.fromtimestamp(0, UTC).hour == 0


def test_a_storage_of_their_own_is_used_if_it_is_declared(tmp_path: Path):
    own = tmp_path / "own"
    backend = "django.core.files.storage.FileSystemStorage"
    with override_settings(
        STORAGES={
            "default": {"BACKEND": backend},
            "upnext": {"BACKEND": backend, "OPTIONS": {"location": own}},
        }
    ):
        _, path = a_file(VERY_LONG_AGO)
        assert (own / path).exists()

        assert retention.prune(all_files=True).files == 1

        assert not (own / path).exists()
