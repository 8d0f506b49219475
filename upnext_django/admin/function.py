"""Functions in the admin: how they do, who knows them, pause, resume, run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.admin import charts
from upnext_django.admin.display import as_json, seconds, time_column, visible
from upnext_django.admin.function_options import in_words
from upnext_django.admin.function_pages import FunctionPages
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import FunctionRecord, JobRecord
from upnext_django.operations import stats
from upnext_django.operations.function_part import visible_standings
from upnext_django.operations.live import FunctionStanding
from upnext_django.operations.looking import look
from upnext_django.operations.scope import scoped, visible_statistics
from upnext_django.operations.shown_definition import shown
from upnext_django.operations.stats import Counts, Window

__all__ = ["FunctionRecordAdmin"]

_RECENT = 10
_NARROW = ("id", "function_name", "status", "queue", "created_at", "started_at", "completed_at")
_WORKERS_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a row of the list shows beside its columns.

    ``standing`` is None while Redis is away, ``counts`` where they count jobs that the user may not see.
    """

    counts: Counts | None
    standing: FunctionStanding | None


class _FunctionList(ChangeList):
    """The list, each row with its numbers: one query and one look at Redis for all of them."""

    away = ""
    #: Whether the statistics are left out: see visible_statistics().
    is_uncounted = False

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        among = visible_statistics(request)
        self.is_uncounted = among is None
        counts = {} if among is None else stats.by_function(Window.DAY, among=among)
        standings, self.away = look(lambda: visible_standings(request, [row.pk for row in rows]))
        for row in rows:
            counted = None if self.is_uncounted else counts.get(row.pk) or Counts()
            row.facts = _Facts(counted, (standings or {}).get(row.pk))
        self.result_list = rows


@admin.register(FunctionRecord)
class FunctionRecordAdmin(ReadOnlyAdmin):
    """Functions that workers know."""

    list_display = (
        "function",
        "kind",
        "queue",
        "state",
        "runs",
        "success",
        "median",
        "slow",
        "known_by",
        "jobs",
    )
    search_fields = ("function", "function_name")
    ordering = ("function",)
    fieldsets = (
        (None, {"fields": ("function_name", "kind", "queue", "jobs", "shown_seen_at")}),
        (gettext_lazy("As JSON"), {"classes": ("collapse",), "fields": ("shown_definition",)}),
    )

    shown_seen_at = time_column("seen_at", gettext_lazy("last changed"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _FunctionList

    def get_urls(self) -> list[URLPattern]:
        return [*FunctionPages(self).urls(), *super().get_urls()]

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "pause_function")

    def has_run_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "run_function")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        function = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if function is not None and self.has_view_permission(request):
            context.update(self._page(request, function))
        return super().change_view(request, object_id, form_url, context)

    def _page(self, request: HttpRequest, function: FunctionRecord) -> dict[str, Any]:
        """Return what stands above the row's own fields."""
        standing, away = look(lambda: visible_standings(request, [function.pk])[function.pk])
        among = visible_statistics(request)
        points = [] if among is None else stats.series(Window.DAY, function=function.pk, among=among)
        pages = FunctionPages(self)
        may_pause, may_run = self.has_pause_permission(request), self.has_run_permission(request)
        paused = standing is not None and standing.paused
        return {
            "away": away,
            "standing": standing,
            "workers": [
                {"id": worker, "url": self.url("upnext_workerrecord_change", worker)}
                for worker in (standing.workers if standing is not None else ())
            ],
            "counts": None if among is None else stats.total(points),
            "charts": [
                charts.throughput(points, Window.DAY, _("Jobs that ended")),
                charts.durations(points, Window.DAY, _("How long attempts ran")),
            ]
            if points
            else [],
            "options": in_words(function.definition),
            "recent": self._recent(request, function.pk),
            "pause_url": pages.url("pause", function.pk) if may_pause and not paused else None,
            "resume_url": pages.url("resume", function.pk) if may_pause and paused else None,
            "run_url": pages.url("run", function.pk) if may_run else None,
        }

    def _recent(self, request: HttpRequest, function: str) -> Sequence[dict[str, Any]]:
        if not self.may(request, "view_jobrecord"):
            return []
        jobs = JobRecord.objects.filter(function=function).order_by("-id").only(*_NARROW)
        return [
            {"job": job, "url": self.url("upnext_jobrecord_change", job.pk)}
            for job in scoped(request, jobs)[:_RECENT]
        ]

    # -- columns

    @admin.display(description=gettext_lazy("state"))
    def state(self, function: FunctionRecord) -> SafeString | str:
        standing = _facts(function).standing
        if standing is None:
            return "?"
        if standing.paused:
            return format_html(
                '<span class="upnext-warn"><span aria-hidden="true">\u275a\u275a</span> {}</span>',
                _("paused"),
            )
        return _("on")

    @admin.display(description=gettext_lazy("runs in 24 h"))
    def runs(self, function: FunctionRecord) -> str:
        counts = _facts(function).counts
        return "-" if counts is None else f"{counts.ended:,}"

    @admin.display(description=gettext_lazy("success"))
    def success(self, function: FunctionRecord) -> str:
        counts = _facts(function).counts
        share = None if counts is None else counts.success
        # Rounded down: 100 % is said of what never failed only.
        return "-" if share is None else f"{int(share * 1000) / 10:g} %"

    @admin.display(description=gettext_lazy("median"))
    def median(self, function: FunctionRecord) -> str:
        counts = _facts(function).counts
        return seconds(None if counts is None else counts.p50_s)

    @admin.display(description=gettext_lazy("95th percentile"))
    def slow(self, function: FunctionRecord) -> str:
        counts = _facts(function).counts
        return seconds(None if counts is None else counts.p95_s)

    @admin.display(description=gettext_lazy("known by"))
    def known_by(self, function: FunctionRecord) -> SafeString | str:
        standing = _facts(function).standing
        if standing is None:
            return "?"
        if not standing.workers:
            return format_html(
                '<span class="upnext-warn"><span aria-hidden="true">\u26a0</span> {}</span>', _("no worker")
            )
        more = len(standing.workers) - _WORKERS_NAMED
        named = visible(", ".join(standing.workers[:_WORKERS_NAMED]))
        return named + (_(" and %(count)d more") % {"count": more} if more > 0 else "")

    @admin.display(description=gettext_lazy("jobs"))
    def jobs(self, function: FunctionRecord) -> SafeString:
        url = self.url("upnext_jobrecord_changelist")
        return format_html('<a href="{}?{}">{}</a>', url, urlencode({"function": function.pk}), _("jobs"))

    @admin.display(description=gettext_lazy("options"))
    def shown_definition(self, function: FunctionRecord) -> SafeString | str:
        return as_json(shown(function.definition))


def _facts(function: FunctionRecord) -> _Facts:
    facts = getattr(function, "facts", None)
    return facts if isinstance(facts, _Facts) else _Facts(Counts(), None)
