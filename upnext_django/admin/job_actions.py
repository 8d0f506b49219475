"""What an operator can do to one job from its page: cancel, retry, edit and retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from upnext_django.admin import acting
from upnext_django.admin.editing import edit_and_replay, replay
from upnext_django.core.lifecycle import REPLAYABLE, TERMINAL
from upnext_django.declare.registry import registry
from upnext_django.models import FunctionRecord, JobRecord
from upnext_django.operations import jobs as actions
from upnext_django.operations.scope import scoped

if TYPE_CHECKING:
    from upnext_django.admin.job import JobRecordAdmin

__all__ = ["JobActions"]


class JobActions:
    """The pages below ``<job>/`` of one JobRecordAdmin that change something."""

    def __init__(self, jobs: JobRecordAdmin) -> None:
        self._jobs = jobs

    def urls(self) -> list[URLPattern]:
        """Return their patterns, each checking its permissions."""
        path = self._jobs.page_path
        return [
            path("<path:object_id>/cancel/", self.cancel, "cancel", "cancel"),
            path("<path:object_id>/retry/", self.retry, "retry", "retry"),
            path("<path:object_id>/edit/", self.edit, "edit", "retry", "payload"),
        ]

    def context(self, request: HttpRequest, job: JobRecord) -> dict[str, Any]:
        """Return what the page of a job needs to offer what this user can do to it now."""
        replayable = job.status in REPLAYABLE and job.duplicate_of is None
        may_retry = replayable and self._jobs.has_retry_permission(request)
        return {
            "cancel_url": self._url("cancel", job)
            if job.status not in TERMINAL and self._jobs.has_cancel_permission(request)
            else None,
            "retry_url": self._url("retry", job) if may_retry else None,
            "edit_url": self._url("edit", job)
            if may_retry and self._jobs.has_payload_permission(request)
            else None,
            "copy_url": self._copy_url(request, job),
            "tree_url": self._url("tree", job),
        }

    def _copy_url(self, request: HttpRequest, job: JobRecord) -> str | None:
        """Return the form that runs its function, filled with its arguments; None if there is none."""
        if not (self._jobs.may(request, "run_function") and self._jobs.may(request, "view_functionrecord")):
            return None
        if not self._jobs.has_payload_permission(request):
            return None
        task = registry.find(job.function)
        function = job.function if task is None else task.name
        if not scoped(request, FunctionRecord.objects.filter(pk=function)).exists():
            return None
        url = self._jobs.url("upnext_functionrecord_run", quote(function))
        return f"{url}?{urlencode({'copy': job.pk})}"

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Cancel one job. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = self._job(request, object_id)

        def cancel() -> str:
            if not actions.cancel(job.pk, by=request.user):
                return _("The job had ended already.")
            return _("The job is being cancelled: one that waits never runs, one that runs is asked to stop.")

        acting.attempt(request, cancel)
        return HttpResponseRedirect(self._url("change", job))

    def retry(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Make a new job from one that failed or was cancelled. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = self._job(request, object_id)
        replay(request, job.pk)
        return HttpResponseRedirect(self._url("change", job))

    def edit(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show the arguments; make a new job with what was made of them."""
        job = self._job(request, object_id)
        change = self._url("change", job)
        return edit_and_replay(
            self._jobs,
            request,
            job.pk,
            function=job.function,
            known=job.arguments or {},
            back=change,
            trail=[(change, str(job))],
            title=_("Edit and retry"),
            button=_("Retry with these arguments"),
        )

    def _job(self, request: HttpRequest, object_id: str) -> JobRecord:
        job = self._jobs.get_queryset(request).filter(pk=object_id).first()
        if job is None:
            raise Http404(f"The history has no job {object_id}.")
        assert isinstance(job, JobRecord)
        return job

    def _url(self, name: str, job: JobRecord) -> str:
        return self._jobs.url(f"upnext_jobrecord_{name}", job.pk)
