"""Jobs out of the history: their rows with all that belongs to them, and no parent before its children."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from django.db import connections, transaction

from upnext_django import conf
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.models import ArtifactRecord, AttemptRecord, DeadLetterRecord, JobRecord, LogRecord
from upnext_django.operations import artifact_files, audit
from upnext_django.operations.outcome import Outcome

__all__ = ["CHUNK", "chunk_size", "delete_many", "delete_rows", "present", "without_children"]

#: Jobs in one transaction, at most.
CHUNK = 500


def delete_many(job_ids: Iterable[str], *, by: object = None, chunk: int = CHUNK) -> Outcome:
    """Delete the rows of jobs that have ended, with their attempts, logs, dead letters and artifacts.

    ``by`` is who asked, for the log. Refused are a live job, an open dead letter (it can still be replayed)
    and a parent of which a child stays. What Redis has of them expires by itself. ``chunk`` jobs at most are
    deleted in one transaction; those before an error are gone.
    """
    using = conf.get().database
    wanted = list(dict.fromkeys(job_ids))
    refused: dict[str, str] = {}
    going: dict[str, str] = {}
    for ids in _chunks(wanted, using):
        rows = JobRecord.objects.using(using).filter(pk__in=ids).only("id", "function_name", "status")
        found = {row.pk: row for row in rows}
        letters = DeadLetterRecord.objects.using(using).filter(
            pk__in=ids, replayed_as=None, discarded_at=None
        )
        undecided = set(letters.values_list("pk", flat=True))
        for job_id in ids:
            row = found.get(job_id)
            if row is None:
                refused[job_id] = f"The history has no job {job_id} any more."
            elif row.status not in TERMINAL:
                refused[job_id] = f"Job {job_id} is {row.status}; only a job that has ended can be deleted."
            elif job_id in undecided:
                refused[job_id] = f"Job {job_id} is an open dead letter; replay or discard it first."
            else:
                going[job_id] = str(row)
    alone = set(without_children(list(going), using=using))
    for job_id in going.keys() - alone:
        refused[job_id] = f"Job {job_id} has children that stay; delete them first, or with it."
    done: dict[str, str] = {}
    # A child's id is younger than its parent's, so children go first: what is cut short leaves no orphan.
    for ids in _chunks(sorted(alone, reverse=True), using, chunk):
        gone = delete_rows(ids, using=using)
        audit.note(by, "deleted", model=JobRecord, objects={job_id: going[job_id] for job_id in gone})
        done.update(dict.fromkeys(gone, ""))
        for job_id in set(ids) - set(gone):
            refused[job_id] = f"A file of job {job_id} could not be deleted; the log says why."
    return Outcome("deleted", done, refused)


def delete_rows(job_ids: Sequence[str], *, using: str) -> list[str]:
    """Delete jobs and all that belongs to them in one transaction; return those that are gone.

    A job stays while a file of it cannot be deleted. At most chunk_size() of them.
    """
    # Files go before the rows that lead to them: what fails in between is found again.
    kept = artifact_files.delete_files(job_ids, using=using)
    going = [job_id for job_id in job_ids if job_id not in kept]
    with transaction.atomic(using=using):
        for model in (ArtifactRecord, LogRecord, AttemptRecord, DeadLetterRecord):
            model._default_manager.using(using).filter(job_id__in=going).delete()
        JobRecord.objects.using(using).filter(pk__in=going).delete()
    return going


def present(job_ids: Sequence[str]) -> set[str]:
    """Return those of ``job_ids`` that the history has."""
    using = conf.get().database
    jobs = JobRecord.objects.using(using)
    return {
        key for ids in _chunks(job_ids, using) for key in jobs.filter(pk__in=ids).values_list("pk", flat=True)
    }


def without_children(job_ids: Sequence[str], *, using: str) -> list[str]:
    """Return those of ``job_ids`` that leave no child behind if they all go."""
    going = set(job_ids)
    jobs = JobRecord.objects.using(using)
    pairs = [
        pair
        for ids in _chunks(job_ids, using)
        for pair in jobs.filter(parent_id__in=ids).values_list("parent_id", "id")
    ]
    while blocked := {parent for parent, child in pairs if child not in going} & going:
        going -= blocked
    return [job_id for job_id in job_ids if job_id in going]


def chunk_size(using: str, most: int = CHUNK) -> int:
    """Return how many ids one statement takes: SQLite takes only so many values."""
    return min(most, connections[using].features.max_query_params or most)


def _chunks(job_ids: Iterable[str], using: str, most: int = CHUNK) -> Iterator[list[str]]:
    ids, size = iter(job_ids), chunk_size(using, most)
    while chunk := list(islice(ids, size)):
        yield chunk
