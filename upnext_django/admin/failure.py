"""Failures in the admin, grouped by what they have in common; a group is retried or discarded as one."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.translation import gettext as _

from upnext_django import conf
from upnext_django.admin import charts
from upnext_django.admin.many import Question, act_on_all
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import DeadLetterRecord, Failure
from upnext_django.operations import failures
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import BulkVerb
from upnext_django.operations.failures import FailureGroup
from upnext_django.operations.scope import scoped

__all__ = ["FailureAdmin"]

_NEWEST = 50
_WINDOWS = {"day": timedelta(days=1), "week": timedelta(days=7), "all": None}


@admin.register(Failure)
class FailureAdmin(ReadOnlyAdmin):
    """A page of the kinds of failures and one for each."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("", self.groups, "changelist"),
            self.page_path("<slug:fingerprint>/", self.group, "detail"),
            self.page_path("<slug:fingerprint>/retry/", self.retry, "retry", "replay"),
            self.page_path("<slug:fingerprint>/discard/", self.discard, "discard", "discard"),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "replay_deadletter")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "discard_deadletter")

    def groups(self, request: HttpRequest) -> HttpResponseBase:
        """Show the kinds of failures of ``?window=day``, ``week`` or ``all``."""
        chosen = request.GET.get("window", "all")
        since = _WINDOWS.get(chosen)
        found = failures.groups(since, among=_letters(request))
        return self.page(
            request,
            "admin/upnext/failure/list.html",
            title=_("Failures"),
            rows=[
                {
                    "group": one,
                    "url": self.url("upnext_failure_detail", one.fingerprint or "none"),
                    "chart": charts.sparkline(one.by_hour, _("the last 24 hours")),
                }
                for one in found
            ],
            windows=[
                ("day", _("last 24 hours"), chosen == "day"),
                ("week", _("last 7 days"), chosen == "week"),
                ("all", _("all"), chosen not in ("day", "week")),
            ],
        )

    def group(self, request: HttpRequest, fingerprint: str) -> HttpResponseBase:
        """Show one kind: an example with its traceback, and the newest jobs."""
        found, among = self._group(request, fingerprint), _letters(request)
        newest = failures.letters(found.fingerprint, among=among).order_by("-failed_at")[:_NEWEST]
        return self.page(
            request,
            "admin/upnext/failure/detail.html",
            title=found.error_type,
            group=found,
            chart=charts.sparkline(found.by_hour, _("the last 24 hours")),
            example=failures.example(found.fingerprint, among=among),
            letters=[
                {"letter": letter, "url": self.url("upnext_jobrecord_change", letter.job_id)}
                for letter in newest
            ],
            retry_url=self._action("retry", fingerprint) if self.has_replay_permission(request) else None,
            discard_url=self._action("discard", fingerprint)
            if self.has_discard_permission(request)
            else None,
        )

    def retry(self, request: HttpRequest, fingerprint: str) -> HttpResponseBase:
        """Ask, then make a new job from each of the group."""
        question = Question(
            verb=BulkVerb.REPLAY,
            title=_("Retry the group?"),
            question=_("A new job is made, with the same arguments, from each that failed so."),
            button=_("Yes, retry"),
        )
        return self._act(request, fingerprint, question)

    def discard(self, request: HttpRequest, fingerprint: str) -> HttpResponseBase:
        """Ask, then give up each of the group."""
        question = Question(
            verb=BulkVerb.DISCARD,
            title=_("Discard the group?"),
            question=_("Those that failed so stay failed, and can never be replayed."),
            button=_("Yes, discard"),
            dangerous=True,
        )
        return self._act(request, fingerprint, question)

    def _act(self, request: HttpRequest, fingerprint: str, question: Question) -> HttpResponseBase:
        found = self._group(request, fingerprint)
        detail = self.url("upnext_failure_detail", fingerprint)
        selection = Selection(
            clauses=[[{"fingerprint": found.fingerprint}]],
            words=[f"{found.error_type}: {found.message}"],
        ).bounded(DeadLetterRecord)
        asked = act_on_all(
            self, request, selection, question, back=detail, trail=[(detail, found.error_type)]
        )
        return asked or HttpResponseRedirect(self.url("upnext_failure_changelist"))

    def _group(self, request: HttpRequest, fingerprint: str) -> FailureGroup:
        found = failures.group("" if fingerprint == "none" else fingerprint, among=_letters(request))
        if found is None:
            raise Http404(f"No open failure has the fingerprint {fingerprint}.")
        return found

    def _action(self, name: str, fingerprint: str) -> str:
        return self.url(f"upnext_failure_{name}", fingerprint)


def _letters(request: HttpRequest) -> QuerySet[DeadLetterRecord]:
    """Return the dead letters that the user may see: a group is counted from them and acted upon in them."""
    return scoped(request, DeadLetterRecord.objects.using(conf.get().database))
