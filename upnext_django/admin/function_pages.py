"""What can be done to a function from its page: pause, resume, run it by a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from upnext_django import conf
from upnext_django.admin import acting
from upnext_django.admin.display import visible
from upnext_django.admin.run_form import RunForm
from upnext_django.exceptions import UpNextError
from upnext_django.models import FunctionRecord, JobRecord
from upnext_django.operations import control
from upnext_django.operations.function_part import may_choose_queue
from upnext_django.operations.masked import hides
from upnext_django.operations.parameters import Parameter, facts_of, parameters_of, values_of
from upnext_django.operations.run_now import queues_for, run_now
from upnext_django.operations.scope import scoped

if TYPE_CHECKING:
    from upnext_django.admin.function import FunctionRecordAdmin

__all__ = ["FunctionPages"]


class FunctionPages:
    """The pages below ``<function>/`` of one FunctionRecordAdmin that change something."""

    def __init__(self, functions: FunctionRecordAdmin) -> None:
        self._functions = functions

    def urls(self) -> list[URLPattern]:
        """Return their patterns, each checking its permission."""
        path = self._functions.page_path
        # Whoever reports an error of this view must not report the arguments.
        run = sensitive_post_parameters()(self.run)
        return [
            path("<path:object_id>/pause/", self.pause, "pause", "pause"),
            path("<path:object_id>/resume/", self.resume, "resume", "pause"),
            path("<path:object_id>/run/", run, "run", "run"),
        ]

    def url(self, name: str, function: str) -> str:
        """Return the address of a function's page: "change", "run", "pause", "resume"."""
        return self._functions.url(f"upnext_functionrecord_{name}", quote(function))

    def pause(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Let no job of it begin. POST only."""
        return self._switch(request, object_id, paused=True)

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Let its jobs begin again. POST only."""
        return self._switch(request, object_id, paused=False)

    def run(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show a form made from the signature; submit a job with what was given.

        ``?copy=<job>`` fills in the arguments of a job, for those who may see payloads.
        """
        function = self._function(request, object_id)
        facts = facts_of(function.pk, using=conf.get().database)
        parameters = parameters_of(facts)
        copied = self._copied(request)
        known, masked = _known(parameters, copied)
        form = RunForm(
            request.POST if request.method == "POST" else None,
            parameters=parameters,
            queues=queues_for(facts)[: None if may_choose_queue(request) else 1],
            known=known,
            masked=masked,
        )
        if request.method == "POST" and form.is_valid():
            job_id = _submitted(request, function.pk, form)
            if job_id is not None:
                return HttpResponseRedirect(self._after(request, function.pk, job_id))
        change = self.url("change", function.pk)
        about = _("A job of %(task)s is submitted at once.") % {"task": visible(function.pk)}
        if copied is not None:
            about = _("A job of %(task)s is submitted at once, with the arguments of job %(job)s.") % {
                "task": visible(function.pk),
                "job": copied.pk,
            }
        return self._functions.page(
            request,
            "admin/upnext/arguments.html",
            title=_("Run a copy") if copied is not None else _("Run now"),
            trail=[(change, visible(function.pk))],
            form=form,
            about=about,
            button=_("Run"),
            back=change,
        )

    def _copied(self, request: HttpRequest) -> JobRecord | None:
        """Return the job to copy: one that the user may see, with its arguments."""
        job_id = request.GET.get("copy")
        may = self._functions.may
        if not job_id or not (may(request, "view_jobrecord") and may(request, "view_payload")):
            return None
        job = scoped(request, JobRecord.objects.all()).filter(pk=job_id).first()
        if job is None:
            raise Http404(f"The history has no job {job_id}.")
        assert isinstance(job, JobRecord)
        return job

    def _after(self, request: HttpRequest, function: str, job_id: str) -> str:
        if self._functions.may(request, "view_jobrecord"):
            return self._functions.url("upnext_jobrecord_change", job_id)
        return self.url("change", function)

    def _switch(self, request: HttpRequest, object_id: str, *, paused: bool) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        name = self._function(request, object_id).pk

        def switch() -> str:
            if paused:
                control.pause_function(name, by=request.user)
                return _("%(name)s is paused: what runs goes on, nothing new begins.") % {"name": name}
            control.resume_function(name, by=request.user)
            return _("%(name)s goes on.") % {"name": name}

        acting.attempt(request, switch)
        return HttpResponseRedirect(self.url("change", name))

    def _function(self, request: HttpRequest, object_id: str) -> FunctionRecord:
        name = unquote(object_id)
        function = self._functions.get_queryset(request).filter(pk=name).first()
        if function is None:
            raise Http404(f"No worker has registered a function {name}.")
        assert isinstance(function, FunctionRecord)
        return function


def _known(parameters: list[Parameter], job: JobRecord | None) -> tuple[Mapping[str, Any], set[str]]:
    """Return the values of a job's call by parameter, and the parameters whose values are masked."""
    if job is None:
        return {}, set()
    arguments = job.arguments or {}
    values = values_of(parameters, arguments.get("args") or (), arguments.get("kwargs") or {})
    if arguments.get("sealed"):
        # The history shows nothing of it, so nobody knows which were given.
        return {}, {one.name for one in parameters if one.required or one.sensitive}
    return values, {name for name, value in values.items() if hides(value)}


def _submitted(request: HttpRequest, function: str, form: RunForm) -> str | None:
    """Return the id of the new job, None if it was refused: the form then says why."""
    args, kwargs = form.call
    try:
        job_id = run_now(
            function,
            args,
            kwargs,
            by=request.user,
            delay=form.cleaned_data["delay"],
            priority=form.cleaned_data["priority"],
            queue=form.cleaned_data["queue"],
        )
    except acting.NO_REDIS as error:
        form.refuse(UpNextError(_("Nothing was submitted: %(error)s") % {"error": error}))
    except (UpNextError, TypeError, ValueError) as error:
        form.refuse(error)
    else:
        messages.success(request, _("The job %(id)s was submitted.") % {"id": job_id})
        return job_id
    return None
