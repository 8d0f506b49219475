"""Worker processes in the admin: who is there and with which jobs, quiet and stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.admin import acting
from upnext_django.admin.display import as_json, time_column, visible
from upnext_django.admin.moments import PresenceFilter
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import JobRecord, WorkerRecord
from upnext_django.operations import live, workers
from upnext_django.operations.live import WorkerPicture
from upnext_django.operations.looking import look
from upnext_django.operations.scope import is_bounded, scoped

__all__ = ["WorkerRecordAdmin"]

#: Jobs shown of each worker; the rest is a number.
_JOBS = 10


@admin.register(WorkerRecord)
class WorkerRecordAdmin(ReadOnlyAdmin):
    """Those that Redis has now, and below them all that the history knows."""

    list_display = (
        "id",
        "is_here",
        "host",
        "pid",
        "version",
        "queue_names",
        "load",
        "shown_started_at",
        "shown_seen_at",
    )
    list_filter = (PresenceFilter,)
    ordering = ("-started_at", "-id")
    fields = (
        "id",
        "is_here",
        "host",
        "pid",
        "version",
        "queue_names",
        "load",
        "shown_started_at",
        "shown_seen_at",
        "shown_left_at",
        "shown_details",
    )

    shown_started_at = time_column("started_at", gettext_lazy("started"))
    shown_seen_at = time_column("seen_at", gettext_lazy("last seen"))
    shown_left_at = time_column("left_at", gettext_lazy("left"))

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("<path:object_id>/quiet/", self.quiet, "quiet", "control"),
            self.page_path("<path:object_id>/resume/", self.resume, "resume", "control"),
            self.page_path("<path:object_id>/stop/", self.stop, "stop", "control"),
            *super().get_urls(),
        ]

    def has_control_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "control_worker")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = dict(extra_context or {})
        if self.has_view_permission(request):
            found, away = look(live.workers)
            context.update(live_workers=self._shown(request, found or ()), away=away)
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = dict(extra_context or {})
        if self.has_view_permission(request):
            found, away = look(live.workers)
            own = [one for one in found or () if one.report.id == unquote(object_id)]
            context.update(live_workers=self._shown(request, own), away=away)
        return super().change_view(request, object_id, form_url, context)

    # -- orders

    def quiet(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Have it take no more work. POST only."""
        said = _("%(id)s was told to take no more work; what runs goes on.")
        return self._order(request, object_id, workers.quiet, said)

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Have it take work again. POST only."""
        return self._order(request, object_id, workers.resume, _("%(id)s was told to take work again."))

    def stop(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Have it end, after asking once more. POST only."""
        worker_id = unquote(object_id)
        if request.method == "POST" and not acting.is_confirmed(request):
            self._known(request, worker_id)
            return acting.confirm(
                self,
                request,
                title=_("Stop a worker"),
                question=_(
                    "Stop this process? What runs may end within its grace, the rest is handed back and runs "
                    "elsewhere. A supervisor may start another in its place."
                ),
                button=_("Stop it"),
                back=self.url("upnext_workerrecord_changelist"),
                objects=[visible(worker_id)],
                dangerous=True,
            )
        return self._order(request, object_id, workers.stop, _("%(id)s was told to stop."))

    def _order(
        self, request: HttpRequest, object_id: str, order: Callable[..., None], said: str
    ) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        worker_id = unquote(object_id)
        self._known(request, worker_id)

        def act() -> str:
            order(worker_id, by=request.user)
            return said % {"id": worker_id}

        acting.attempt(request, act)
        return HttpResponseRedirect(self.url("upnext_workerrecord_changelist"))

    def _known(self, request: HttpRequest, worker_id: str) -> None:
        """Raise Http404 for a worker that the project's rule hides from the user."""
        rows = WorkerRecord.objects.filter(pk=worker_id)
        if rows.exists() and not scoped(request, rows).exists():
            raise Http404(f"There is no worker {worker_id}.")

    # -- live

    def _shown(self, request: HttpRequest, pictures: Sequence[WorkerPicture]) -> list[dict[str, Any]]:
        """Return the workers that the user may see, with the addresses that he may go to."""
        rows = WorkerRecord.objects.filter(pk__in=[one.report.id for one in pictures])
        written = set(rows.values_list("pk", flat=True))
        allowed = set(scoped(request, rows).values_list("pk", flat=True))
        visible_jobs = self._visible_jobs(request, pictures)
        # Who sees a part of the jobs is told how many more a worker has, not what they are.
        only_visible = is_bounded(request)
        named = {
            one.report.id: [job for job in one.running[:_JOBS] if not only_visible or job.id in visible_jobs]
            for one in pictures
        }
        may_control = self.has_control_permission(request)
        return [
            {
                "report": one.report,
                "url": self._url("change", one.report.id) if one.report.id in written else "",
                "jobs": [
                    {
                        "id": job.id,
                        "function": job.function,
                        "url": self.url("upnext_jobrecord_change", job.id) if job.id in visible_jobs else "",
                        "waits": job.id in one.report.waiting_for_children,
                    }
                    for job in named[one.report.id]
                ],
                "more": len(one.running) - len(named[one.report.id]),
                "quiet_url": self._url("quiet", one.report.id)
                if may_control and one.report.state == "running"
                else "",
                "resume_url": self._url("resume", one.report.id)
                if may_control and one.report.state == "quiet"
                else "",
                "stop_url": self._url("stop", one.report.id)
                if may_control and one.report.state != "stopping"
                else "",
            }
            for one in pictures
            # One whose row is not written yet has nothing that a rule could look at.
            if one.report.id in allowed or one.report.id not in written
        ]

    def _visible_jobs(self, request: HttpRequest, pictures: Sequence[WorkerPicture]) -> set[str]:
        if not self.may(request, "view_jobrecord"):
            return set()
        ids = [job.id for one in pictures for job in one.running[:_JOBS]]
        return set(scoped(request, JobRecord.objects.filter(pk__in=ids)).values_list("pk", flat=True))

    def _url(self, name: str, worker_id: str) -> str:
        return self.url(f"upnext_workerrecord_{name}", quote(worker_id))

    # -- columns

    @admin.display(description=gettext_lazy("running"), boolean=True)
    def is_here(self, worker: WorkerRecord) -> bool:
        return worker.left_at is None

    @admin.display(description=gettext_lazy("queues"))
    def queue_names(self, worker: WorkerRecord) -> str:
        return ", ".join(str(queue) for queue in worker.queues) or "-"

    @admin.display(description=gettext_lazy("slots in use"))
    def load(self, worker: WorkerRecord) -> str:
        return f"{worker.running}/{worker.concurrency}"

    @admin.display(description=gettext_lazy("details"))
    def shown_details(self, worker: WorkerRecord) -> SafeString | str:
        return as_json(worker.details)
