"""What the list of jobs can do to many of them: retry, cancel, delete."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.admin.many import Question, act_on_many
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.operations.bulk.verb import BulkVerb

__all__ = ["JobsAtOnce"]


class JobsAtOnce(ReadOnlyAdmin):
    """The actions of the list of jobs, each with its own permission."""

    actions = ("retry_selected", "cancel_selected", "delete_rows")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "retry_job")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "cancel_job")

    def has_delete_rows_permission(self, request: HttpRequest) -> bool:
        """Django's own delete permission; Django's own delete would leave attempts and logs behind."""
        return self.may(request, "delete_jobrecord")

    @admin.action(description=gettext_lazy("Retry the selected jobs"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        question = Question(
            verb=BulkVerb.RETRY,
            title=_("Retry jobs"),
            question=_("Make a new job, with the same arguments, from each that failed or was cancelled?"),
            button=_("Retry them"),
        )
        return act_on_many(self, request, queryset, "retry_selected", question)

    @admin.action(description=gettext_lazy("Cancel the selected jobs"), permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        question = Question(
            verb=BulkVerb.CANCEL,
            title=_("Cancel jobs"),
            question=_("Cancel them? One that waits never runs, one that runs is asked to stop."),
            button=_("Cancel them"),
            dangerous=True,
        )
        return act_on_many(self, request, queryset, "cancel_selected", question)

    @admin.action(description=gettext_lazy("Delete the selected jobs"), permissions=["delete_rows"])
    def delete_rows(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        question = Question(
            verb=BulkVerb.DELETE,
            title=_("Delete jobs"),
            question=_(
                "Delete them from the history, with their attempts, logs, artifacts and dead letters? "
                "That cannot be undone."
            ),
            button=_("Delete them"),
            dangerous=True,
        )
        return act_on_many(self, request, queryset, "delete_rows", question)
