"""Files that jobs made: list, fetch, and upload by a worker that cannot reach the storage."""

from __future__ import annotations

from datetime import datetime

from django.http import FileResponse, Http404, HttpRequest
from ninja import File, Form, Query, Router, Schema, UploadedFile
from pydantic import Field

from upnext_django import conf
from upnext_django.api.auth import caller
from upnext_django.api.calling import calling
from upnext_django.api.endpoint import endpoint
from upnext_django.api.paging import Cursor, Limit, page
from upnext_django.api.params import InPath, Name
from upnext_django.api.problems import ProblemError
from upnext_django.api.shape import Shape
from upnext_django.api.visible import all_rows, job_id_of, job_row
from upnext_django.core.artifact import ArtifactType
from upnext_django.exceptions import JobNotFound
from upnext_django.models import ArtifactRecord
from upnext_django.operations import artifacts, uploads

__all__ = ["router"]

router = Router(tags=["artifacts"])

_FILE = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = {
    200: {
        "description": "The file, as a download in which nothing runs.",
        # Programs that make clients take the first for all of them, and read JSON as JSON.
        "content": dict.fromkeys(
            [ArtifactType.BINARY.content_type, *(kind.content_type for kind in ArtifactType)], _FILE
        ),
        "headers": {
            "Content-Disposition": {"description": "`attachment` and its name.", "schema": {"type": "string"}}
        },
    }
}


class ArtifactOut(Shape):
    """What is known of a file."""

    id: str
    job_id: str
    name: str
    artifact_type: str = Field(description="One of those of an upload; a later version may have more.")
    size_bytes: int
    created_at: datetime


class ArtifactPage(Shape):
    """One page of artifacts, the newest first."""

    items: list[ArtifactOut]
    next: str | None = Field(default=None, description="`cursor` of the next page, null on the last.")


class ArtifactFilters(Schema):
    """What narrows the list."""

    job_id: Name | None = None
    artifact_type: ArtifactType | None = None


class ArtifactRef(Schema):
    """A file that was taken."""

    artifact_id: str = Field(description="It is listed a moment later.")


class Upload(Schema):
    """What a file is."""

    job_id: Name = Field(description="The job that made it; it must be running.")
    name: str = Field(min_length=1, max_length=200, description="What it is called in lists and downloads.")
    artifact_type: ArtifactType = ArtifactType.BINARY
    attempt: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="The attempt that made it; whichever runs if left out."
    )


@endpoint(router, "GET", "/artifacts", needs="view_artifactrecord", answer=ArtifactPage)
def list_artifacts(
    request: HttpRequest, filters: Query[ArtifactFilters], cursor: Cursor = None, limit: Limit = 50
) -> ArtifactPage:
    """List the files that jobs made, the newest first."""
    rows = all_rows(request, ArtifactRecord).filter(**filters.model_dump(exclude_none=True))
    found, following = page(rows, cursor, limit)
    return ArtifactPage(items=[ArtifactOut.model_validate(row) for row in found], next=following)


@endpoint(
    router,
    "POST",
    "/artifacts",
    needs="add_artifactrecord",
    answer=ArtifactRef,
    status=201,
    refuses=(400, 404, 409, 413, 503),
)
def upload_artifact(request: HttpRequest, form: Form[Upload], file: File[UploadedFile]) -> ArtifactRef:
    """Keep a file of a job that runs, for a worker that cannot reach the storage itself."""
    most = conf.get().max_artifact_bytes
    if (file.size or 0) > most:
        raise ProblemError(413, f"The file has {file.size:,} bytes; MAX_ARTIFACT_BYTES allows {most:,}.")
    with calling():
        artifact_id = uploads.upload(
            job_id_of(request, form.job_id),
            form.name,
            file.read(),
            form.artifact_type,
            attempt=form.attempt,
            by=caller(request).actor,
        )
    return ArtifactRef(artifact_id=artifact_id)


@endpoint(
    router,
    "GET",
    "/artifacts/{artifact_id}",
    needs="view_artifactrecord",
    answer=ArtifactOut,
    refuses=(404,),
)
def get_artifact(request: HttpRequest, artifact_id: InPath) -> ArtifactOut:
    """Show what is known of a file."""
    return ArtifactOut.model_validate(_row(request, artifact_id))


@endpoint(
    router,
    "GET",
    "/artifacts/{artifact_id}/content",
    needs=("view_artifactrecord", "view_payload"),
    answer=None,
    refuses=(404,),
    extra={"responses": _CONTENT},
)
def get_artifact_content(request: HttpRequest, artifact_id: InPath) -> FileResponse:
    """Send the file as a download."""
    row = _row(request, artifact_id)
    try:
        job_row(request, row.job_id)
    except JobNotFound:
        raise Http404(f"There is no artifact {artifact_id}.") from None
    try:
        return artifacts.content(row)
    except FileNotFoundError:
        raise Http404(f"The file of artifact {artifact_id} is no longer in the storage.") from None


def _row(request: HttpRequest, artifact_id: str) -> ArtifactRecord:
    row = all_rows(request, ArtifactRecord).filter(pk=artifact_id).first()
    if row is None:
        raise Http404(f"There is no artifact {artifact_id}.")
    assert isinstance(row, ArtifactRecord)
    return row
