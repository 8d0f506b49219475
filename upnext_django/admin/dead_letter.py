"""Dead letters in the admin: the open ones first, each with what an operator can decide about it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.admin import acting
from upnext_django.admin.attempts import attempts_table
from upnext_django.admin.display import as_json, as_text, time_column, visible
from upnext_django.admin.editing import edit_and_replay, replay
from upnext_django.admin.filters import DecisionFilter, ErrorTypeFilter, FunctionFilter
from upnext_django.admin.many import Question, act_on_many
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import DeadLetterRecord
from upnext_django.operations import dead_letters
from upnext_django.operations.bulk.verb import BulkVerb

__all__ = ["DeadLetterRecordAdmin"]


@admin.register(DeadLetterRecord)
class DeadLetterRecordAdmin(ReadOnlyAdmin):
    """Jobs that failed for good."""

    actions = ("replay_selected", "discard_selected")
    list_display = (
        "function_name",
        "short_error",
        "queue",
        "attempts",
        "crashes",
        "shown_failed_at",
        "decision",
    )
    list_filter = (DecisionFilter, FunctionFilter, ErrorTypeFilter)
    ordering = ("-job_id",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "job",
                    "function",
                    "queue",
                    "shown_failed_at",
                    "crashes",
                    "replayed",
                    "shown_discarded_at",
                )
            },
        ),
        (gettext_lazy("Error"), {"fields": ("error_type", "shown_error")}),
        (gettext_lazy("Attempts"), {"fields": ("attempts", "shown_attempts")}),
        (gettext_lazy("Data"), {"fields": ("shown_arguments",)}),
    )

    shown_failed_at = time_column("failed_at", gettext_lazy("failed"))
    shown_discarded_at = time_column("discarded_at", gettext_lazy("discarded"))

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("<path:object_id>/replay/", self.replay, "replay", "replay"),
            self.page_path("<path:object_id>/edit/", self.edit, "edit", "replay", "payload"),
            self.page_path("<path:object_id>/discard/", self.discard, "discard", "discard"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        letter = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if letter is not None and _is_open(letter):
            may_replay = self.has_replay_permission(request)
            context.update(
                replay_url=self._url("replay", letter) if may_replay else None,
                edit_url=self._url("edit", letter)
                if may_replay and self.has_payload_permission(request)
                else None,
                discard_url=self._url("discard", letter) if self.has_discard_permission(request) else None,
            )
        return super().change_view(request, object_id, form_url, context)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if self.has_payload_permission(request) else fieldsets[:-1]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "replay_deadletter")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "discard_deadletter")

    def has_payload_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "view_payload")

    # -- one

    def replay(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Make a new job from it. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        letter = self._letter(request, object_id)
        replay(request, letter.pk)
        return HttpResponseRedirect(self._url("change", letter))

    def edit(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show its arguments; make a new job with what was made of them."""
        letter = self._letter(request, object_id)
        job, change = dead_letters.payload(letter), self._url("change", letter)
        return edit_and_replay(
            self,
            request,
            letter.pk,
            function=letter.function,
            known=(job.arguments if job is not None else None) or {},
            back=change,
            trail=[(change, visible(str(letter)))],
            title=_("Edit and replay"),
            button=_("Replay with these arguments"),
        )

    def discard(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Give it up, after asking once more. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        letter = self._letter(request, object_id)
        change = self._url("change", letter)
        if not acting.is_confirmed(request):
            return acting.confirm(
                self,
                request,
                title=_("Discard a dead letter"),
                question=_("Give this job up? It stays failed, and can never be replayed."),
                button=_("Discard it"),
                back=change,
                objects=[visible(str(letter))],
                dangerous=True,
                trail=[(change, visible(str(letter)))],
            )

        def discard() -> str:
            dead_letters.discard(letter.pk, by=request.user)
            return _("The dead letter was discarded.")

        acting.attempt(request, discard)
        return HttpResponseRedirect(change)

    # -- many

    @admin.action(description=gettext_lazy("Replay the selected dead letters"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        question = Question(
            verb=BulkVerb.REPLAY,
            title=_("Replay dead letters"),
            question=_("Make a new job, with the same arguments, from each of these?"),
            button=_("Replay them"),
        )
        return act_on_many(self, request, queryset, "replay_selected", question)

    @admin.action(description=gettext_lazy("Discard the selected dead letters"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        question = Question(
            verb=BulkVerb.DISCARD,
            title=_("Discard dead letters"),
            question=_("Give these jobs up? They stay failed, and can never be replayed."),
            button=_("Discard them"),
            dangerous=True,
        )
        return act_on_many(self, request, queryset, "discard_selected", question)

    # -- columns

    @admin.display(description=gettext_lazy("error"))
    def short_error(self, letter: DeadLetterRecord) -> str:
        return visible(Truncator(letter.error or letter.error_type or "-").chars(120))

    @admin.display(description=gettext_lazy("error"))
    def shown_error(self, letter: DeadLetterRecord) -> SafeString | str:
        return as_text(letter.error)

    @admin.display(description=gettext_lazy("decision"))
    def decision(self, letter: DeadLetterRecord) -> SafeString:
        state, icon, word = "warn", "\u26a0", _("open")
        if letter.replayed_as is not None:
            state, icon, word = "ok", "\u21bb", _("replayed")
        elif letter.discarded_at is not None:
            state, icon, word = "cancelled", "\u2298", _("discarded")
        return format_html(
            '<span class="upnext-pill upnext-{}"><span aria-hidden="true">{}</span> {}</span>',
            state,
            icon,
            word,
        )

    @admin.display(description=gettext_lazy("job"))
    def job(self, letter: DeadLetterRecord) -> SafeString | str:
        return self._job_link(letter.job_id)

    @admin.display(description=gettext_lazy("replayed as"))
    def replayed(self, letter: DeadLetterRecord) -> SafeString | str:
        return self._job_link(letter.replayed_as)

    @admin.display(description=gettext_lazy("each attempt"))
    def shown_attempts(self, letter: DeadLetterRecord) -> SafeString:
        return attempts_table(letter.job_id, letter)

    @admin.display(description=gettext_lazy("arguments"))
    def shown_arguments(self, letter: DeadLetterRecord) -> SafeString | str:
        job = dead_letters.payload(letter)
        return as_json(None if job is None else job.arguments)

    def _letter(self, request: HttpRequest, object_id: str) -> DeadLetterRecord:
        letter = self.get_queryset(request).filter(pk=object_id).first()
        if letter is None:
            raise Http404(f"There is no dead letter {object_id}.")
        assert isinstance(letter, DeadLetterRecord)
        return letter

    def _url(self, name: str, letter: DeadLetterRecord) -> str:
        return self.url(f"upnext_deadletterrecord_{name}", letter.pk)

    def _job_link(self, job_id: str | None) -> SafeString | str:
        if job_id is None:
            return "-"
        url = self.url("upnext_jobrecord_change", job_id)
        return format_html('<a href="{}"><code>{}</code></a>', url, job_id)


def _is_open(letter: DeadLetterRecord) -> bool:
    return letter.replayed_as is None and letter.discarded_at is None
