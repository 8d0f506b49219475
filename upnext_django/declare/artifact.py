"""Files that a job makes: written into Django's storage, then told to the history."""

from __future__ import annotations

import asyncio
import time
from difflib import get_close_matches
from typing import Any

from upnext_django.core.artifact import (
    MAX_PATH,
    ArtifactFacts,
    ArtifactType,
    check_name,
    content_of,
    path_of,
)
from upnext_django.core.ids import new_job_id
from upnext_django.declare import ports
from upnext_django.declare.blocking import refuse_in_loop
from upnext_django.declare.current import RunningJob, current_job
from upnext_django.exceptions import ArgumentError, UpNextError

__all__ = ["create_artifact", "create_artifact_sync", "create_for", "create_for_sync"]


async def create_artifact(name: str, data: Any, artifact_type: ArtifactType | str = ArtifactType.JSON) -> str:
    """Keep ``data`` as a file of the job that runs here and return the artifact's id.

    ``name`` is what it is called in lists and downloads. The type says what ``data`` may be: any value for
    JSON; a str or UTF-8 for TEXT, CSV, XML, HTML and SVG; bytes or base64 for PNG, JPEG, WEBP, GIF, PDF and
    BINARY. The file goes to ``STORAGES["upnext"]``, else to Django's default storage, by a thread; it is
    listed with the job a moment later. Made again by a further attempt it is a further artifact. Raises
    RuntimeError outside a job, ArgumentError for a bad name, type or content and for more than
    ``UPNEXT["MAX_ARTIFACT_BYTES"]``, and whatever the storage raises: nothing is listed then.
    """
    return await create_for(_running("create_artifact()"), name, data, artifact_type)


def create_artifact_sync(name: str, data: Any, artifact_type: ArtifactType | str = ArtifactType.JSON) -> str:
    """See create_artifact(); for sync tasks. Raises RuntimeError where a loop runs, which it would block."""
    return create_for_sync(_running("create_artifact_sync()"), name, data, artifact_type)


async def create_for(job: RunningJob, name: str, data: Any, artifact_type: ArtifactType | str) -> str:
    """See create_artifact()."""
    new = _New(job, name, artifact_type)
    content = await asyncio.to_thread(new.content, data)
    return new.told(await new.store.asave(new.path, content), len(content))


def create_for_sync(job: RunningJob, name: str, data: Any, artifact_type: ArtifactType | str) -> str:
    """See create_artifact_sync()."""
    refuse_in_loop("create_artifact_sync()", "await create_artifact()")
    new = _New(job, name, artifact_type)
    content = new.content(data)
    return new.told(new.store.save(new.path, content), len(content))


class _New:
    """One artifact on its way: what is known before its file is written."""

    def __init__(self, job: RunningJob, name: str, artifact_type: ArtifactType | str) -> None:
        environment = ports.get_environment()
        self.store = _store(environment.history)
        self._max_bytes = environment.max_artifact_bytes
        self._job = job
        self._type = _type(artifact_type)
        name = check_name(name)
        self._name = name if job.mask is None else job.mask.text(name)
        self._at_ms = int(time.time() * 1000)
        # Of the same kind as a job's: sorted by time and nobody's guess.
        self._id = new_job_id(job.queue)
        self.path = path_of(self._id, job.id, self._type, self._at_ms)

    def content(self, data: Any) -> bytes:
        """Return the bytes to write."""
        return content_of(data, self._type, max_bytes=self._max_bytes)

    def told(self, path: str, size: int) -> str:
        """Have the history told of the file that is now at ``path``; return the artifact's id."""
        if len(path) > MAX_PATH:
            raise UpNextError(
                f"The storage named the file of {self._name!r} with {len(path)} characters; the history "
                f"keeps {MAX_PATH}. Give STORAGES['upnext'] a storage with shorter names."
            )
        facts = ArtifactFacts(self._id, self._at_ms, self._name, self._type.value, size, path)
        self._job.add_artifacts((facts,))
        return self._id


def _running(call: str) -> RunningJob:
    job = current_job.get()
    if job is None:
        raise RuntimeError(
            f"No job runs here, so there is nothing that {call} could add to. Call it in a task."
        )
    return job


def _type(given: ArtifactType | str) -> ArtifactType:
    try:
        return ArtifactType(given.lower())
    except (AttributeError, ValueError):
        names = [kind.name for kind in ArtifactType]
        near = get_close_matches(str(given).upper(), names, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}."
        raise ArgumentError(
            f"artifact_type of create_artifact(): there is no type {given!r}; {advice}",
            argument="artifact_type",
        ) from None


def _store(history: bool) -> ports.ArtifactStore:
    if not history:
        raise UpNextError(
            "Artifacts are listed by the history, and UPNEXT['HISTORY'] is False. Set it to True, or write "
            "the file to a storage of your own."
        )
    store = ports.artifacts()
    if store is None:
        raise UpNextError(
            "There is no storage for artifacts. Run the worker in a Django project with 'upnext_django' in "
            "INSTALLED_APPS, or by upnext.run()."
        )
    return store
