"""Schedules in the admin: rows to add and change, crons in code to pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from upnext_django.admin.cron_pages import CronPages
from upnext_django.admin.cron_words import in_words
from upnext_django.admin.display import moment, pill
from upnext_django.admin.page import PageAdmin
from upnext_django.exceptions import UpNextError
from upnext_django.models import Schedule
from upnext_django.operations import schedules
from upnext_django.operations.function_part import known_functions, may_choose_queue
from upnext_django.operations.scope import scoped
from upnext_django.operations.timetable import next_runs, timetable_of

__all__ = ["ScheduleAdmin"]

# Django's class takes no parameters outside of its stubs.
if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Schedule]
else:
    _ModelForm = forms.ModelForm


class ScheduleForm(_ModelForm):
    """One row. It remembers which revision the operator saw, so that nobody's change is overwritten."""

    #: Functions that the user may see, None for all.
    functions: frozenset[str] | None = None
    #: Whether jobs may go to another queue than the function's own.
    may_choose_queue = True

    seen_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Schedule
        fields = (
            "name",
            "function",
            "expression",
            "timezone",
            "args",
            "kwargs",
            "queue",
            "missed_run_policy",
            "max_catch_up_seconds",
            "priority",
            "starts_at",
            "ends_at",
            "paused",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["seen_revision"].initial = self.instance.revision
        # Django 5.2 gives the two inputs of a moment no label of their own.
        for name in ("starts_at", "ends_at"):
            moment = self.fields.get(name)
            if moment is not None and isinstance(moment.widget, forms.MultiWidget):
                for part, word in zip(moment.widget.widgets, (_("date"), _("time")), strict=True):
                    part.attrs["aria-label"] = f"{moment.label}: {word}"

    def clean_function(self) -> str:
        """Refuse a function that the user may not see."""
        function: str = self.cleaned_data["function"]
        if self.functions is not None and function not in self.functions:
            raise forms.ValidationError(
                _("You know no function %(function)s; choose one from the list of functions."),
                params={"function": function},
                code="unseen",
            )
        return function

    def clean_queue(self) -> str:
        """Refuse another queue to a user who may see a part of the jobs: it may be somebody else's."""
        queue: str = self.cleaned_data["queue"]
        if queue and queue != self.instance.queue and not self.may_choose_queue:
            raise forms.ValidationError(_("Leave it empty, for the function's own queue."), code="unseen")
        return queue

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.instance.pk is not None and not self.errors:
            using = self.instance._state.db
            row = Schedule.objects.using(using).filter(pk=self.instance.pk).first()
            if row is not None and row.revision != self.cleaned_data.get("seen_revision"):
                who = row.updated_by or _("somebody")
                text = _("%(who)s has changed this schedule meanwhile. Load the page again and repeat yours.")
                raise forms.ValidationError(text, params={"who": who}, code="changed")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                schedules.check(self.instance)
            except UpNextError as error:
                self.add_error(None, str(error))


class _ScheduleList(ChangeList):
    """The rows that operators keep, each with its next and its last run; the crons in code stand above."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        return super().get_queryset(request, *args, **kwargs).filter(declared=False)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        for row, info in zip(rows, timetable_of(rows, runs=1), strict=True):
            row.info = info
        self.result_list = rows


@admin.register(Schedule)
class ScheduleAdmin(PageAdmin):
    """Schedules that operators keep."""

    form = ScheduleForm
    list_display = ("name", "function", "when", "next_run", "last_run", "state")
    list_filter = ("paused",)
    search_fields = ("name", "function")
    readonly_fields = ("upcoming", "updated_at", "updated_by")
    actions = ("pause", "resume", "run_now")
    show_full_result_count = False

    list_per_page = 50

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        # Made anew for each request, so that it may know whose it is.
        form.functions = known_functions(request)
        form.may_choose_queue = may_choose_queue(request)
        return form

    def get_urls(self) -> list[URLPattern]:
        return [*CronPages(self).urls(), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _ScheduleList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.has_view_permission(request):
            context["crons"] = CronPages(self).shown(request)
            context["may_switch"] = self.has_change_permission(request)
            context["may_run"] = self.has_run_permission(request)
        return super().changelist_view(request, context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        return scoped(request, super().get_queryset(request))

    # What operations do they note themselves, whoever asks.

    def log_addition(self, request: HttpRequest, obj: Schedule, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Schedule, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    @admin.display(description=_("when"), ordering="expression")
    def when(self, schedule: Any) -> SafeString:
        return format_html("<code>{}</code><div>{}</div>", schedule.expression, in_words(schedule.expression))

    @admin.display(description=_("next run"))
    def next_run(self, schedule: Any) -> str:
        runs = schedule.info.next_runs
        return moment(runs[0]) if runs else schedule.info.problem or "-"

    @admin.display(description=_("last run"))
    def last_run(self, schedule: Any) -> SafeString | str:
        last = schedule.info.last_run
        if last is None:
            return "-"
        url = self.url("upnext_jobrecord_change", last.job_id)
        at = f"{timezone.localtime(last.created_at):%Y-%m-%d %H:%M:%S}"
        return format_html('<a href="{}">{}</a> {}', url, at, pill(last.status))

    @admin.display(description=_("state"), ordering="paused")
    def state(self, schedule: Any) -> SafeString:
        if not schedule.paused:
            return format_html("{}", _("active"))
        return format_html(
            '<span class="upnext-tag"><span aria-hidden="true">\u275a\u275a</span> {}</span>', _("paused")
        )

    @admin.display(description=_("next runs"))
    def upcoming(self, schedule: Schedule) -> SafeString | str:
        if schedule.pk is None or schedule.paused or schedule.declared:
            return "-"
        try:
            runs = next_runs(schedule.plan(), since=schedule.starts_at, until=schedule.ends_at)
        except UpNextError as error:
            return str(error)
        return format_html_join("\n", "<div>{}</div>", ((moment(run),) for run in runs))

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        if obj is not None and obj.declared:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        if obj is not None and obj.declared:
            return False
        return super().has_delete_permission(request, obj)

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run schedules now."""
        return request.user.has_perm("upnext.run_schedule")

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        schedules.save(obj, by=request.user)

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        schedules.delete(obj.name, by=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for schedule in queryset:
            schedules.delete(schedule.name, by=request.user)

    @admin.action(description=_("Pause selected schedules"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        paused = [schedule.name for schedule in queryset if schedules.pause(schedule.name, by=request.user)]
        self.message_user(request, _("%(count)d paused.") % {"count": len(paused)})

    @admin.action(description=_("Resume selected schedules"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        resumed = [schedule.name for schedule in queryset if schedules.resume(schedule.name, by=request.user)]
        self.message_user(request, _("%(count)d resumed.") % {"count": len(resumed)})

    @admin.action(description=_("Run selected schedules now"), permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for schedule in queryset:
            try:
                job_id = schedules.run_now(schedule.name, by=request.user)
            except (UpNextError, TypeError, ImproperlyConfigured) as error:
                self.message_user(request, f"Schedule {schedule.name}: {error}", level=messages.ERROR)
            else:
                text = _("Schedule %(name)s submitted as job %(job)s.") % {
                    "name": schedule.name,
                    "job": job_id,
                }
                self.message_user(request, text, level=messages.SUCCESS)
