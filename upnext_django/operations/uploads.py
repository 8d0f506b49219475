"""Artifacts from workers that cannot reach the storage: written here, told to the history by the job."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from upnext_django import conf
from upnext_django.broker.scripts.report import Report
from upnext_django.connection import get_broker
from upnext_django.core.artifact import MAX_PATH, ArtifactFacts, ArtifactType, check_name, content_of, path_of
from upnext_django.core.ids import new_job_id
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import InvalidTransition, JobNotFound, UpNextError
from upnext_django.models import ArtifactRecord
from upnext_django.operations import audit
from upnext_django.storage import ArtifactStorage, artifact_storage

__all__ = ["upload"]


def upload(
    job_id: str,
    name: str,
    data: bytes,
    artifact_type: ArtifactType,
    *,
    attempt: int | None = None,
    by: object = None,
) -> str:
    """Keep ``data`` as a file of a job that runs, and return the artifact's id.

    ``attempt`` is the number of the attempt that made it; None is whichever runs now. Raises JobNotFound,
    InvalidTransition for a job, or an attempt, that does not run any more, ArgumentError for a name or a
    content that create_artifact() would refuse, and UpNextError without a history.
    """
    settings = conf.get()
    if not settings.history:
        raise UpNextError("Artifacts are listed by the history, and UPNEXT['HISTORY'] is False.")
    live = get_broker().job_sync(job_id)
    if live is None:
        raise JobNotFound(job_id)
    if live.status is not JobStatus.ACTIVE:
        raise _over(live.id, live.status)
    if attempt is not None and attempt != live.attempts:
        raise _over(live.id, f"in attempt {live.attempts}, not {attempt}")
    name = check_name(name)
    content = content_of(data, artifact_type, max_bytes=settings.max_artifact_bytes)
    now_ms = int(time.time() * 1000)
    artifact_id = new_job_id(live.queue)
    path = ArtifactStorage().save(path_of(artifact_id, live.id, artifact_type, now_ms), content)
    if len(path) > MAX_PATH:
        artifact_storage().delete(path)
        raise UpNextError(f"The storage named the file with {len(path)} characters; {MAX_PATH} can be kept.")
    facts = ArtifactFacts(artifact_id, now_ms, name, artifact_type.value, len(content), path)
    told = _told(live.id, live.token, facts)
    if get_broker().operator.report_sync(live.queue, told) != "OK":
        # Nothing leads to the file now.
        artifact_storage().delete(path)
        raise _over(live.id, "not running any more")
    audit.note(by, "uploaded", model=ArtifactRecord, objects={artifact_id: name})
    return artifact_id


def _told(job_id: str, token: int, facts: Any) -> Report:
    data = msgspec.json.encode({"artifacts": [facts]})
    return Report(job_id, token, data, kept=data)


def _over(job_id: str, current: str) -> InvalidTransition:
    return InvalidTransition(job_id, current, "given artifacts", [JobStatus.ACTIVE])
