"""The files of artifacts that are to go: the one place that takes them out of the storage.

A file is written before the row that leads to it, and deleted before that row is. So a process that dies on
the way leaves a file without a row, and delete_orphans() finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.core.files.storage import FileSystemStorage

from upnext_django.core.artifact import FOLDER
from upnext_django.models import ArtifactRecord, JobRecord
from upnext_django.storage import artifact_storage

__all__ = ["delete_files", "delete_orphans"]

logger = logging.getLogger("upnext.operations")

_CHUNK = 500
#: By then the history has caught up with the job that wrote the file.
_SETTLED = timedelta(hours=24)
#: How long folders of that age are looked through, hour after hour: a worker that prunes may be away.
_WINDOW = timedelta(hours=6)


def delete_files(job_ids: Sequence[str], *, using: str) -> set[str]:
    """Delete the files of those jobs; return the jobs whose rows must stay since a file of theirs did.

    A file that is gone already is no error, so this may be repeated.
    """
    storage = artifact_storage()
    kept: set[str] = set()
    artifacts = ArtifactRecord.objects.using(using).filter(job_id__in=job_ids)
    for job_id, path in artifacts.values_list("job_id", "path"):
        if not _delete(storage, path, job_id):
            kept.add(job_id)
    return kept


def delete_orphans(
    *,
    using: str,
    now: datetime,
    kept: timedelta,
    everywhere: bool,
    is_over: Callable[[], bool],
) -> int:
    """Delete files that no row leads to, and return how many.

    Those of ended jobs go after a day; those of jobs without a row when they are older than ``kept``, the
    longest that a row may live: until then the mirror may still come to them. Unless ``everywhere``, only the
    folders in which these two can be new are looked through. ``is_over`` ends it early; repeating it is safe.
    """
    storage = artifact_storage()
    deleted = 0
    for folder, hour in _folders(storage):
        age = now - hour - timedelta(hours=1)
        is_due = age >= _SETTLED and (everywhere or age < _SETTLED + _WINDOW or age > kept)
        if not is_due:
            continue
        names = iter(storage.listdir(folder)[1])
        left = 0
        while not is_over() and (chunk := list(islice(names, _CHUNK))):
            orphans = _orphans(chunk, using=using, before=now - _SETTLED, without_job=age > kept)
            gone = sum(_delete(storage, f"{folder}/{name}", None) for name in orphans)
            deleted += gone
            left += len(chunk) - gone
        if is_over():
            break
        if not left and isinstance(storage, FileSystemStorage):
            _delete(storage, folder, None)
    return deleted


def _folders(storage: Any) -> Iterator[tuple[str, datetime]]:
    """Yield the folders of artifacts with the hour that they are named after, the oldest first."""
    try:
        names = storage.listdir(FOLDER)[0]
    except FileNotFoundError:
        return
    except NotImplementedError:
        logger.debug("The storage of artifacts lists no folders, so files without a row stay in it.")
        return
    for name in sorted(names):
        try:
            hour = datetime.strptime(name, "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except ValueError:
            continue  # not ours
        yield f"{FOLDER}/{name}", hour


def _orphans(names: Sequence[str], *, using: str, before: datetime, without_job: bool) -> list[str]:
    """Return those of the files ``names`` that no row leads to, and none will."""
    parts = {name: name.split(".") for name in names}
    ids = {name: (split[0], split[1]) for name, split in parts.items() if len(split) == 3}
    rows = ArtifactRecord.objects.using(using).filter(pk__in=[artifact for _, artifact in ids.values()])
    listed = set(rows.values_list("pk", flat=True))
    stray = {name: job for name, (job, artifact) in ids.items() if artifact not in listed}
    jobs = JobRecord.objects.using(using).filter(pk__in=set(stray.values()))
    ends = dict(jobs.values_list("pk", "completed_at"))
    return [
        name
        for name, job in stray.items()
        if (without_job if job not in ends else (end := ends[job]) is not None and end < before)
    ]


def _delete(storage: Any, path: str, job_id: str | None) -> bool:
    try:
        storage.delete(path)
    except Exception as error:  # noqa: BLE001 - each storage has its own; one file must not keep all others
        logger.warning(
            "The file %s%s could not be deleted (%s); its rows stay until it can.",
            path,
            "" if job_id is None else f" of job {job_id}",
            error,
            extra={"job_id": job_id},
        )
        return False
    return True
