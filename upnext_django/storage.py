"""The storage that the files of artifacts are in: ``STORAGES["upnext"]``, else Django's default."""

from __future__ import annotations

from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages

__all__ = ["ALIAS", "ArtifactStorage", "artifact_storage"]

#: The alias in ``STORAGES`` that a project may declare for artifacts alone.
ALIAS: Final = "upnext"


def artifact_storage() -> Any:
    """Return the storage of artifacts, as the settings are now. Opens nothing."""
    return storages[ALIAS] if ALIAS in storages.backends else default_storage


class ArtifactStorage:
    """The engine's port to it."""

    def save(self, path: str, content: bytes) -> str:
        """Write a file; raises ImproperlyConfigured where it would land in the working directory."""
        storage = artifact_storage()
        if isinstance(storage, FileSystemStorage) and not storage.base_location:
            raise ImproperlyConfigured(
                "MEDIA_ROOT is empty, so artifacts would be written into whatever directory the worker was "
                f"started in. Set MEDIA_ROOT, or declare STORAGES[{ALIAS!r}]."
            )
        file = ContentFile(content)
        # Object stores serve a file as what this says; a link into the bucket must run nothing either.
        file.content_type = "application/octet-stream"  # type: ignore[attr-defined]
        return str(storage.save(path, file))

    async def asave(self, path: str, content: bytes) -> str:
        """See save(); in the attempt's own thread, where the database connections are looked after."""
        return await sync_to_async(self.save)(path, content)
