"""Who did what to what: a line in the log, and one in the admin's history where a user did it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Model

__all__ = ["Actor", "note", "written_at_once"]

logger = logging.getLogger("upnext.operations")


#: Entries of the admin's log in one statement.
_BATCH = 500
_together: ContextVar[list[Any] | None] = ContextVar("upnext_audit_together", default=None)


@dataclass(frozen=True, slots=True)
class Actor:
    """A user who acts ``through`` something, like an API token: both are told."""

    user: Any
    through: str

    def __str__(self) -> str:
        return f"{self.user} ({self.through})"


def note(by: object, done: str, *, model: type[Model], objects: Mapping[str, str]) -> None:
    """Note that ``by`` has ``done`` something ("cancelled", "replayed as <id>") to ``objects``.

    ``objects`` are names for people by primary key; ``model`` is what they are rows of, there or not. A user
    of the project also gets an entry in the log of ``django.contrib.admin``, where that is installed: the
    History page of the object and the admin's recent actions show it.
    """
    kind = str(model._meta.verbose_name)
    for key in objects:
        logger.info(
            "%s %s was %s by %s.",
            kind[:1].upper() + kind[1:],
            key,
            done,
            by or "nobody named",
            extra={"job_id": key} if kind == "job" else None,
        )
    user = by.user if isinstance(by, Actor) else by
    if not apps.is_installed("django.contrib.admin") or not isinstance(user, get_user_model()):
        return
    through = f" ({by.through})" if isinstance(by, Actor) else ""
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.contenttypes.models import ContentType

    content_type = ContentType.objects.get_for_model(model, for_concrete_model=False)
    entries = [
        LogEntry(
            user_id=user.pk,
            content_type_id=content_type.pk,
            object_id=key,
            object_repr=name[:200],
            action_flag=CHANGE,
            change_message=f"{done[:1].upper()}{done[1:]}{through}.",
        )
        for key, name in objects.items()
    ]
    together = _together.get()
    if together is not None:
        together += entries
    else:
        LogEntry.objects.bulk_create(entries, batch_size=_BATCH)


@contextmanager
def written_at_once() -> Iterator[None]:
    """Write what is noted in the block at its end, in one statement instead of one each."""
    entries: list[Any] = []
    token = _together.set(entries)
    try:
        yield
    finally:
        _together.reset(token)
        if entries:
            type(entries[0])._default_manager.bulk_create(entries, batch_size=_BATCH)
