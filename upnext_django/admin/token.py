"""API tokens in the admin: made for oneself and shown once, listed, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache

from upnext_django.admin import acting
from upnext_django.admin.display import time_column, visible
from upnext_django.admin.moments import ValidityFilter
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.exceptions import DefinitionError, TokenNotFound
from upnext_django.models import ApiToken
from upnext_django.operations import tokens

__all__ = ["ApiTokenAdmin"]

_SCOPES = {
    "read": gettext_lazy("read: look at jobs, functions, queues, workers, dead letters and schedules"),
    "operate": gettext_lazy("operate: submit, retry, cancel, replay, discard, pause, resume, run schedules"),
    "payload": gettext_lazy("payload: see arguments and results, and edit them"),
    "admin": gettext_lazy("admin: add, change and delete schedules and secrets"),
}


class TokenForm(forms.Form):
    """What a new token is to be."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("Who will use it, and what for.")
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=list(_SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("It may do what they cover, and never more than you may."),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Expires after days"),
        min_value=1,
        max_value=3650,
        initial=90,
        required=False,
        help_text=gettext_lazy("Empty: it works until it is revoked."),
    )


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens of the REST API. None can be shown again, or changed."""

    actions = ("revoke_selected",)
    list_display = (
        "name",
        "prefix",
        "owner_name",
        "scope_names",
        "state",
        "shown_created_at",
        "shown_expires_at",
        "shown_last_used_at",
    )
    list_filter = (ValidityFilter,)
    search_fields = ("name", "prefix", "owner_name")
    ordering = ("-id",)
    fields = (
        "name",
        "prefix",
        "owner_name",
        "scope_names",
        "state",
        "shown_created_at",
        "created_by",
        "shown_expires_at",
        "shown_last_used_at",
        "shown_revoked_at",
    )

    shown_created_at = time_column("created_at", gettext_lazy("created"))
    shown_expires_at = time_column("expires_at", gettext_lazy("expires"))
    shown_last_used_at = time_column("last_used_at", gettext_lazy("last used"))
    shown_revoked_at = time_column("revoked_at", gettext_lazy("revoked"))

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("<path:object_id>/revoke/", self.revoke, "revoke", "revoke"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "add_apitoken")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "revoke_apitoken")

    # What operations do they note themselves, whoever asks.

    def log_addition(self, request: HttpRequest, obj: ApiToken, message: Any) -> Any:
        return None

    @method_decorator(never_cache)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for a name and scopes; make the token and show it, this once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        form = TokenForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._created(request, form.cleaned_data)
            except DefinitionError as error:
                form.add_error(None, str(error))
        return self.page(
            request,
            "admin/upnext/arguments.html",
            title=_("Make an API token"),
            form=form,
            about=_("A program with this token acts for you, %(user)s, through the REST API.")
            % {"user": visible(str(request.user))},
            button=_("Make it"),
            back=self.url("upnext_apitoken_changelist"),
        )

    def _created(self, request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
        days = given["days"]
        row, text = tokens.create(
            given["name"],
            owner=request.user,
            scopes=given["scopes"],
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
            by=request.user,
        )
        return self.page(
            request,
            "admin/upnext/apitoken/created.html",
            title=_("Copy the token %(name)s now") % {"name": visible(row.name)},
            token=text,
            back=self.url("upnext_apitoken_changelist"),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = dict(extra_context or {})
        token = self.get_object(request, object_id)
        if token is not None and token.revoked_at is None and self.has_revoke_permission(request):
            context["revoke_url"] = self.url("upnext_apitoken_revoke", token.pk)
        return super().change_view(request, object_id, form_url, context)

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Let it open nothing any more. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        rows = self.get_queryset(request).filter(pk=object_id) if object_id.isdecimal() else []
        self._revoke(request, [token.prefix for token in rows])
        return HttpResponseRedirect(self.url("upnext_apitoken_changelist"))

    @admin.action(description=gettext_lazy("Revoke the selected tokens"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> HttpResponse | None:
        open_ones = list(queryset.filter(revoked_at=None).order_by("pk"))
        if not open_ones:
            messages.warning(request, _("None of them can be revoked; nothing was changed."))
            return None
        if acting.is_confirmed(request):
            self._revoke(request, [token.prefix for token in open_ones])
            return None
        return acting.confirm(
            self,
            request,
            title=_("Revoke API tokens"),
            question=_("Revoke them? Programs that use them are refused from now on, for good."),
            button=_("Revoke them"),
            back=request.get_full_path(),
            objects=[visible(str(token)) for token in open_ones],
            hidden=[
                ("action", "revoke_selected"),
                *(("_selected_action", token.pk) for token in open_ones),
            ],
            dangerous=True,
        )

    def _revoke(self, request: HttpRequest, prefixes: Sequence[str]) -> None:
        count = 0
        for prefix in prefixes:
            try:
                count += tokens.revoke(prefix, by=request.user)
            except TokenNotFound as error:
                messages.error(request, str(error))
        said = ngettext("%(count)d token was revoked.", "%(count)d tokens were revoked.", count)
        messages.success(request, said % {"count": count})

    @admin.display(description=gettext_lazy("scopes"))
    def scope_names(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=gettext_lazy("state"))
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return _("revoked")
        if token.expires_at is not None and token.expires_at <= timezone.now():
            return _("expired")
        return _("valid")
