"""What a caller gets to see: the project's ADMIN_QUERYSET, and whether payloads may be shown."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from upnext_django import conf
from upnext_django.api.auth import caller
from upnext_django.exceptions import JobNotFound
from upnext_django.models import JobRecord
from upnext_django.operations import history
from upnext_django.operations.scope import scoped

__all__ = ["all_rows", "is_hidden", "job_id_of", "job_row", "may_see_payload"]


def all_rows(request: HttpRequest, model: type[Any]) -> QuerySet[Any]:
    """Return the rows of ``model`` that the caller may see."""
    return scoped(request, model._default_manager.using(conf.get().database))


def job_row(request: HttpRequest, job_id: str) -> JobRecord | None:
    """Return the row of a job by its id or the one that its user gave it, None if it has none yet.

    Raises JobNotFound for a job that the caller may not see: one without a row too, where there is a rule.
    """
    settings = conf.get()
    using = settings.database
    own = None if settings.admin_queryset is None else all_rows(request, JobRecord)
    row = history.job(job_id, using=using) or history.job_given(job_id, using=using, among=own)
    if row is None:
        if settings.admin_queryset is not None:
            raise JobNotFound(job_id)
        return None
    if settings.admin_queryset is not None and not all_rows(request, JobRecord).filter(pk=row.pk).exists():
        raise JobNotFound(job_id)
    return row


def job_id_of(request: HttpRequest, job_id: str) -> str:
    """Return the id of a job that the caller may do something to; raises as job_row() does."""
    row = job_row(request, job_id)
    return job_id if row is None else row.pk


def is_hidden(request: HttpRequest, model: type[Any], **lookups: Any) -> bool:
    """Return whether there is such a row that the caller may not see; one that is not there is not hidden."""
    if conf.get().admin_queryset is None:
        return False
    there = model._default_manager.using(conf.get().database).filter(**lookups)
    return bool(there.exists()) and not all_rows(request, model).filter(**lookups).exists()


def may_see_payload(request: HttpRequest) -> bool:
    """Return whether arguments and results are shown to the caller."""
    return caller(request).may("view_payload")
