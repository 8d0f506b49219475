"""What an artifact's file is served as: never as something that runs in our origin."""

from __future__ import annotations

from django.http import FileResponse

from upnext_django.core.artifact import ArtifactType
from upnext_django.models import ArtifactRecord
from upnext_django.storage import artifact_storage

__all__ = ["can_be_shown", "content"]

_SUFFIX = {ArtifactType.TEXT: "txt", ArtifactType.BINARY: "bin"}


def can_be_shown(artifact: ArtifactRecord) -> bool:
    """Return whether a page may show it: pictures that can hold no script."""
    return _type(artifact).is_picture


def content(artifact: ArtifactRecord, *, shown: bool = False) -> FileResponse:
    """Return the file as a download, or for a page if it is ``shown`` and can_be_shown().

    The content type comes from the artifact's type alone, the browser is told not to guess another, and a
    policy keeps whatever is in it from running. Raises FileNotFoundError if the file is gone.
    """
    kind = _type(artifact)
    response = FileResponse(
        artifact_storage().open(artifact.path, "rb"),
        as_attachment=not (shown and kind.is_picture),
        filename=_filename(artifact.name, kind),
        content_type=kind.content_type,
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response


def _type(artifact: ArtifactRecord) -> ArtifactType:
    try:
        return ArtifactType(artifact.artifact_type)
    except ValueError:
        return ArtifactType.BINARY  # of a later version


def _filename(name: str, kind: ArtifactType) -> str:
    """Return what a browser calls the file: with a suffix, so that its system knows what it is."""
    return name if "." in name.strip(".") else f"{name}.{_SUFFIX.get(kind, kind.value)}"
