"""Jobs in the admin: a list that stays quick on a million rows, a page and a tree for each job."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from upnext_django import conf
from upnext_django.admin.attempts import attempts_table
from upnext_django.admin.display import as_json, as_text, duration, pill, time_column, visible
from upnext_django.admin.filters import FunctionFilter, LevelFilter, QueueFilter, WhenFilter, WorkerFilter
from upnext_django.admin.job_actions import JobActions
from upnext_django.admin.jobs_at_once import JobsAtOnce
from upnext_django.admin.readonly import part_of
from upnext_django.admin.search import argument_of, having_argument
from upnext_django.admin.tree import TreePages
from upnext_django.connection import get_broker
from upnext_django.core.ids import is_job_id
from upnext_django.core.lifecycle import TERMINAL
from upnext_django.exceptions import UpNextError
from upnext_django.models import ArtifactRecord, AttemptRecord, FunctionRecord, JobRecord, LogRecord
from upnext_django.operations import history, waiting
from upnext_django.operations.bulk.selection import NOTHING, Clause, narrowed
from upnext_django.operations.looking import look
from upnext_django.operations.waiting import Reason, Standing

__all__ = ["JobRecordAdmin"]

_BIG_COLUMNS = ("arguments", "result", "error", "checkpoint", "meta", "progress_message")
#: What needs the permission to see payloads.
_PAYLOAD = ("shown_arguments", "shown_result", "shown_checkpoint", "shown_meta")
_ID_START = re.compile(r"[0-9a-f]{4,8}(-[0-9a-f]{0,4}){0,3}(-[0-9a-f]{0,12})?")
#: Filters that have an index each, and none together.
_NARROWING = ("status__exact", "function", "queue", "worker_id", "level")
_CHILDREN_COUNTED = 100
_FUNCTIONS_SEARCHED = 50
_MOMENTS_OF = 20
_HAVING_KEY = 500


@admin.register(JobRecord)
class JobRecordAdmin(JobsAtOnce):
    """Jobs as the history knows them."""

    list_display = (
        "task",
        "state",
        "short_id",
        "queue",
        "attempt",
        "shown_created_at",
        "ran_for",
        "worker_id",
    )
    list_filter = (WhenFilter, "status", FunctionFilter, QueueFilter, WorkerFilter, LevelFilter)
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = _(
        "A job's id or its beginning, an idempotency key, part of a task's name, or an argument: "
        "kwargs.order_id:7 or args.0:7 (in the newest 50,000 jobs)."
    )
    fieldsets = (
        (None, {"fields": ("id", "state", "function", "queue", "kind", "priority", "shown_progress")}),
        (_("Error"), {"fields": ("error_type", "shown_error")}),
        (_("Attempts"), {"fields": ("attempt", "crashes", "handbacks", "attempts_table")}),
        (
            _("Times"),
            {
                "fields": (
                    "shown_created_at",
                    "shown_run_at",
                    "shown_started_at",
                    "shown_completed_at",
                    "ran_for",
                )
            },
        ),
        (
            _("Relations"),
            {"fields": ("tree", "root", "parent", "children", "replayed_job", "winner", "worker_id")},
        ),
        (_("Data"), {"fields": _PAYLOAD}),
        (_("Origin"), {"fields": ("schedule", "idempotency_key", "code_version", "cache_hit")}),
        (_("Artifacts"), {"fields": ("artifacts_table",)}),
        (_("Log"), {"fields": ("log_table",)}),
    )

    shown_created_at = time_column("created_at", _("created"))
    shown_run_at = time_column("run_at", _("not before"))
    shown_started_at = time_column("started_at", _("started"))
    shown_completed_at = time_column("completed_at", _("completed"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        jobs = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and (match.url_name or "").endswith("_changelist"):
            return jobs.defer(*_BIG_COLUMNS)
        return jobs

    def looks_through(self, request: HttpRequest) -> bool:
        chosen = [name for name in _NARROWING if request.GET.get(name)]
        return (
            len(chosen) > 1
            or "level" in chosen
            or argument_of(request.GET.get(SEARCH_VAR, "").strip()) is not None
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return narrowed(queryset, self.search_clauses(request, queryset, search_term)), False

    def search_clauses(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> list[Clause]:
        term = term.strip()
        if not term:
            return []
        argument = argument_of(term)
        if argument is not None:
            if not self.has_payload_permission(request):
                return [NOTHING]
            return [having_argument(*argument, using=queryset.db)]
        # One kind of match at a time: an OR over them could use none of their indexes.
        keyed: Clause = [{"pk__in": _having_key(term)}]
        if narrowed(queryset, [keyed]).exists():
            return [keyed]
        start = term.lower()
        if is_job_id(start):
            if narrowed(queryset, [_tree_of(start)]).exists():
                return [_tree_of(start)]
        elif _ID_START.fullmatch(start):
            # A range, since LIKE uses no index on SQLite; "~" sorts after every character of an id.
            beginning: Clause = [{"id__gte": start, "id__lt": f"{start}~"}]
            if narrowed(queryset, [beginning]).exists():
                return [beginning]
        functions = FunctionRecord.objects.filter(Q(function_name__icontains=term) | Q(function=term))
        names = list(functions.values_list("function", flat=True)[:_FUNCTIONS_SEARCHED])
        of_functions: Clause = [{"function__in": names}]
        return [of_functions]

    def get_urls(self) -> list[URLPattern]:
        return [*TreePages(self).urls(), *JobActions(self).urls(), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        job = self.get_object(request, unquote(object_id))
        if job is None and self.has_view_permission(request) and _is_on_its_way(unquote(object_id)):
            return self._on_its_way(request, unquote(object_id))
        context = dict(extra_context or {})
        if job is not None:
            context.update(JobActions(self).context(request, job))
            context.update(standing=_standing(job), moments=_moments(job))
        return super().change_view(request, object_id, form_url, context)

    def _on_its_way(self, request: HttpRequest, job_id: str) -> HttpResponse:
        """Say that a job of a moment ago has no row yet; the browser asks again by itself."""
        return self.page(
            request,
            "admin/upnext/jobrecord/on_its_way.html",
            title=str(_("On its way")),
            job_id=job_id,
            has_history=conf.get().history,
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_payload_permission(request):
            return fieldsets
        return [(name, options) for name, options in fieldsets if options["fields"] != _PAYLOAD]

    def has_payload_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "view_payload")

    @admin.display(description=_("task"))
    def task(self, job: JobRecord) -> str:
        return job.function_name or job.function or "?"

    @admin.display(description=_("status"))
    def state(self, job: JobRecord) -> SafeString:
        return pill(job.status)

    @admin.display(description=_("id"))
    def short_id(self, job: JobRecord) -> SafeString:
        return format_html('<code title="{}">{}</code>', job.id, job.id[:13])

    @admin.display(description=_("attempt"))
    def attempt(self, job: JobRecord) -> str:
        return f"{job.attempts}/{job.max_attempts}"

    @admin.display(description=_("ran for"))
    def ran_for(self, job: JobRecord) -> str:
        return duration(job.started_at, job.completed_at)

    @admin.display(description=_("progress"))
    def shown_progress(self, job: JobRecord) -> SafeString | str:
        if job.progress is None:
            return visible(job.progress_message or "-")
        return format_html(
            '<progress max="100" value="{0}">{0} %</progress> {0} % {1}',
            f"{job.progress:g}",
            visible(job.progress_message or ""),
        )

    @admin.display(description=_("error"))
    def shown_error(self, job: JobRecord) -> SafeString | str:
        return as_text(job.error)

    @admin.display(description=_("arguments"))
    def shown_arguments(self, job: JobRecord) -> SafeString | str:
        return as_json(job.arguments)

    @admin.display(description=_("result"))
    def shown_result(self, job: JobRecord) -> SafeString | str:
        return as_json(job.result)

    @admin.display(description=_("checkpoint"))
    def shown_checkpoint(self, job: JobRecord) -> SafeString | str:
        return as_json(job.checkpoint)

    @admin.display(description=_("meta"))
    def shown_meta(self, job: JobRecord) -> SafeString | str:
        return as_json(job.meta)

    @admin.display(description=_("each attempt"))
    def attempts_table(self, job: JobRecord) -> SafeString:
        return attempts_table(job.pk, job)

    @admin.display(description=_("files"))
    def artifacts_table(self, job: JobRecord) -> SafeString:
        rows = [
            {
                "artifact": one,
                "name": visible(one.name),
                "url": self.url("upnext_artifactrecord_change", one.pk),
            }
            for one in history.artifacts(
                job.pk, using=job._state.db or "default", among=part_of(ArtifactRecord, job)
            )
        ]
        return render_to_string("admin/upnext/jobrecord/artifacts.html", {"rows": rows})

    @admin.display(description=_("lines"))
    def log_table(self, job: JobRecord) -> SafeString:
        lines = [
            {
                "at": line.at,
                "level": line.level,
                "message": visible(line.message),
                "data": as_json(line.data) if line.data else "",
            }
            for line in history.logs(job.pk, using=job._state.db or "default", among=part_of(LogRecord, job))
        ]
        return render_to_string("admin/upnext/jobrecord/logs.html", {"lines": lines})

    @admin.display(description=_("tree"))
    def tree(self, job: JobRecord) -> SafeString:
        url = reverse("admin:upnext_jobrecord_tree", args=[job.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, _("All jobs of this tree"))

    @admin.display(description=_("root"))
    def root(self, job: JobRecord) -> SafeString | str:
        return self._job_link(job.root_id)

    @admin.display(description=_("parent"))
    def parent(self, job: JobRecord) -> SafeString | str:
        return self._job_link(job.parent_id)

    @admin.display(description=_("replay of"))
    def replayed_job(self, job: JobRecord) -> SafeString | str:
        return self._job_link(job.replay_of)

    @admin.display(description=_("duplicate of"))
    def winner(self, job: JobRecord) -> SafeString | str:
        return self._job_link(job.duplicate_of)

    @admin.display(description=_("children"))
    def children(self, job: JobRecord) -> SafeString | str:
        using = job._state.db or "default"
        found = history.children(job.pk, limit=_CHILDREN_COUNTED, using=using, among=part_of(JobRecord, job))
        if not found:
            return "-"
        url = reverse("admin:upnext_jobrecord_changelist", current_app=self.admin_site.name)
        more = "+" if len(found) == _CHILDREN_COUNTED else ""
        return format_html(
            '<a href="{}?{}">{}{}</a>', url, urlencode({"parent_id": job.pk}), len(found), more
        )

    def _job_url(self, job_id: str) -> str:
        return reverse("admin:upnext_jobrecord_change", args=[job_id], current_app=self.admin_site.name)

    def _job_link(self, job_id: str | None) -> SafeString | str:
        if job_id is None:
            return "-"
        return format_html('<a href="{}"><code>{}</code></a>', self._job_url(job_id), job_id)


def _tree_of(job_id: str) -> Clause:
    """Return a job and, if it is at the top of a tree, all below it."""
    return [{"pk": job_id}, {"root_id": job_id, "parent_id__isnull": False}]


def _having_key(term: str) -> list[str]:
    """Return the newest jobs with an idempotency key: by its own index, whatever else is asked for."""
    having = JobRecord.objects.filter(idempotency_key=term).order_by("-id")
    return list(having.values_list("id", flat=True)[:_HAVING_KEY])


def _is_on_its_way(job_id: str) -> bool:
    """Return whether Redis has a job whose row the mirror has not written, or that nobody may see."""
    if not is_job_id(job_id) or JobRecord.objects.filter(pk=job_id).exists():
        return False
    found, _away = look(lambda: get_broker().job_sync(job_id))
    return found is not None


def _standing(job: JobRecord) -> Standing | None:
    """Return why a job that has not ended does not run, None if it runs or nobody can tell."""
    if job.status in TERMINAL:
        return None
    try:
        standing = waiting.why(job.pk)
    except (UpNextError, DatabaseError, ImproperlyConfigured):
        return None
    return None if standing.reason in (Reason.RUNNING, Reason.ENDED) else standing


def _moments(job: JobRecord) -> list[dict[str, Any]]:
    """Return what happened to a job, each with the time since its submit."""
    found: list[tuple[str, datetime]] = [("queued", job.created_at)]
    attempts = history.attempts(
        job.pk, limit=_MOMENTS_OF, using=job._state.db or "default", among=part_of(AttemptRecord, job)
    )
    for one in attempts:
        if one.started_at is not None:
            found.append(("active", one.started_at))
        if one.ended_at is not None:
            found.append((one.outcome, one.ended_at))
    if job.completed_at is not None and found[-1][0] != job.status:
        found.append((job.status, job.completed_at))
    return [
        {"state": state, "at": at, "after": "" if not place else duration(job.created_at, at)}
        for place, (state, at) in enumerate(found)
    ]
