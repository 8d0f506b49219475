"""Which rows a person gets to see: ``UPNEXT["ADMIN_QUERYSET"]``, the project's own rule."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest

from upnext_django import conf
from upnext_django.models import (
    ArtifactRecord,
    AttemptRecord,
    BulkAction,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    OutboxEntry,
    StatRecord,
)

__all__ = ["is_bounded", "is_part", "narrows", "scoped", "visible_functions", "visible_statistics"]

#: Rows that belong to a job: who may not see the job does not see them.
_OF_A_JOB = (ArtifactRecord, AttemptRecord, DeadLetterRecord, LogRecord)
#: Rows that are about everybody's jobs, or about jobs that have no row yet.
_OF_ALL = (OutboxEntry, StatRecord)
_KNOWN = "_upnext_narrows"


def scoped(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the part of ``rows`` that the request's user may see, all of them where no rule is set.

    The rule is called with every query set of admin and API, of any of our models: it looks at
    ``rows.model``. The user of a request with a token is the token's owner. Where it narrows the user's jobs
    and says nothing of attempts, log lines, artifacts or dead letters, those of the jobs he sees are left;
    of the outbox and the statistics nothing is, and of the actions on many those that the user asked for.
    """
    rule = conf.get().admin_queryset
    if rule is None:
        return rows
    found: QuerySet[Any] = rule(request, rows)
    model = rows.model
    if model is BulkAction and is_bounded(request) and not narrows(request, model):
        return found.filter(user_id=str(request.user.pk))
    if model not in (*_OF_A_JOB, *_OF_ALL) or narrows(request, model) or not is_bounded(request):
        return found
    if model in _OF_ALL:
        return found.none()
    jobs = rule(request, JobRecord.objects.using(rows.db))
    return found.filter(Exists(jobs.order_by().filter(pk=OuterRef("job_id"))))


def is_bounded(request: HttpRequest) -> bool:
    """Return whether the rule lets the user see a part of the jobs: numbers of all of them are not his."""
    return narrows(request, JobRecord)


def is_part(request: HttpRequest) -> bool:
    """Return whether the user sees a part of the functions or of the jobs; no query."""
    return is_bounded(request) or narrows(request, FunctionRecord)


def narrows(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the rule leaves out rows of ``model`` for the request's user."""
    rule = conf.get().admin_queryset
    if rule is None:
        return False
    known: dict[type[Model], bool] = request.__dict__.setdefault(_KNOWN, {})
    if model not in known:
        rows = model._default_manager.all()
        known[model] = _as_sql(rule(request, rows)) != _as_sql(rows)
    return known[model]


def visible_statistics(request: HttpRequest) -> QuerySet[StatRecord] | None:
    """Return the counts that the user may see, None if they count jobs that he may not see.

    They have a function and a queue, and nothing else of their jobs: the rule has to narrow them itself.
    """
    if is_bounded(request) and not narrows(request, StatRecord):
        return None
    return scoped(request, StatRecord.objects.using(conf.get().database))


def visible_functions(request: HttpRequest) -> frozenset[str] | None:
    """Return the functions of which the user may see what waits and runs, None for all of them.

    Redis knows no user, so the rule's answer for the registry of functions is taken. One that narrows the
    jobs alone cannot say which of a function's are the user's: then there is none.
    """
    if narrows(request, FunctionRecord):
        rows = scoped(request, FunctionRecord.objects.using(conf.get().database))
        return frozenset(rows.values_list("pk", flat=True))
    return frozenset() if is_bounded(request) else None


def _as_sql(rows: QuerySet[Any]) -> object:
    try:
        return cast(Any, rows.query).sql_with_params()
    except EmptyResultSet:
        return None
