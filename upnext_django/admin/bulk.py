"""Actions on very many rows in the admin: how far each is, stop it, let it go on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from upnext_django.admin import acting
from upnext_django.admin.display import seconds, time_column, visible
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import BulkAction, BulkStatus
from upnext_django.operations.bulk import begin
from upnext_django.operations.bulk.actor import may_act, may_take_up
from upnext_django.operations.bulk.verb import VERBS, BulkVerb
from upnext_django.operations.looking import look

__all__ = ["BulkActionAdmin"]

_TITLES = {
    BulkVerb.RETRY: gettext_lazy("Retry jobs"),
    BulkVerb.CANCEL: gettext_lazy("Cancel jobs"),
    BulkVerb.DELETE: gettext_lazy("Delete jobs"),
    BulkVerb.REPLAY: gettext_lazy("Replay dead letters"),
    BulkVerb.DISCARD: gettext_lazy("Discard dead letters"),
}
#: Within this a chunk is over, or Redis, the database or the worker is away.
_QUIET_S = 30.0
#: The look of each status, and its sign.
_LOOKS = {
    BulkStatus.WAITING: ("queued", "\u2026"),
    BulkStatus.RUNNING: ("active", "\u25b6"),
    BulkStatus.DONE: ("complete", "\u2713"),
    BulkStatus.STOPPED: ("cancelled", "\u2298"),
    BulkStatus.FAILED: ("failed", "\u2717"),
}


@admin.register(BulkAction)
class BulkActionAdmin(ReadOnlyAdmin):
    """Who may do one of the actions sees his own, who may view them sees all."""

    list_display = ("what", "state", "progress", "by", "shown_asked_at", "shown_ended_at")
    list_filter = ("status",)
    ordering = ("-id",)

    shown_asked_at = time_column("asked_at", gettext_lazy("asked"))
    shown_ended_at = time_column("ended_at", gettext_lazy("ended"))

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("<path:object_id>/stop/", self.stop, "stop", "act"),
            self.page_path("<path:object_id>/go-on/", self.go_on, "go_on", "act"),
            *super().get_urls(),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_act_permission(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may do any of the actions to one row."""
        return any(self.may(request, doing.permission) for doing in VERBS.values())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        actions = super().get_queryset(request)
        if self.may(request, "view_bulkaction"):
            return actions
        return actions.filter(user_id=str(request.user.pk))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show how far it is."""
        request.current_app = self.admin_site.name
        if not self.has_view_permission(request):
            raise PermissionDenied
        action = self._action(request, unquote(object_id))
        served, away = look(begin.is_served) if action.is_open else (True, "")
        handled = action.done + action.refused
        return self.page(
            request,
            "admin/upnext/bulkaction/detail.html",
            title=self.what(action),
            action=action,
            pill=self.state(action),
            words=action.words,
            handled=handled,
            percent=_percent(action),
            pace=_pace(action, handled),
            silent_s=_silent_s(action),
            served=served,
            away=away,
            stop_url=self._url("stop", action) if action.is_open and may_act(request.user, action) else None,
            go_on_url=self._url("go_on", action) if _may_go_on(request, action) else None,
            history_url=self._url("history", action),
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show who asked for it and who stopped it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End it after the chunk in hand. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        action = self._action(request, unquote(object_id))
        if not may_act(request.user, action):
            raise PermissionDenied

        def stop() -> str:
            if begin.stop(action.pk, by=request.user):
                return _("It ends; what was done stays done.")
            return _("It had ended already.")

        acting.attempt(request, stop)
        return HttpResponseRedirect(self._url("change", action))

    def go_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take it up again where it was. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        action = self._action(request, unquote(object_id))
        if not may_take_up(request.user, action):
            raise PermissionDenied

        def go_on() -> str:
            begin.go_on(action.pk, by=request.user)
            return _("It goes on where it was.")

        acting.attempt(request, go_on)
        return HttpResponseRedirect(self._url("change", action))

    # -- columns

    @admin.display(description=gettext_lazy("action"))
    def what(self, action: BulkAction) -> str:
        return str(_TITLES[BulkVerb(action.verb)])

    @admin.display(description=gettext_lazy("status"))
    def state(self, action: BulkAction) -> SafeString:
        look, sign = _LOOKS[BulkStatus(action.status)]
        return format_html(
            '<span class="upnext-pill upnext-{}"><span aria-hidden="true">{}</span> {}</span>',
            look,
            sign,
            action.get_status_display(),
        )

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, action: BulkAction) -> str:
        handled = action.done + action.refused
        if action.total is None:
            return f"{handled:,}"
        return _("%(handled)s of %(total)s") % {"handled": f"{handled:,}", "total": f"{action.total:,}"}

    # -- inside

    def _action(self, request: HttpRequest, object_id: str) -> BulkAction:
        found = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        if found is None:
            raise Http404(f"There is no bulk action {visible(object_id)}.")
        assert isinstance(found, BulkAction)
        return found

    def _url(self, name: str, action: BulkAction) -> str:
        return self.url(f"upnext_bulkaction_{name}", action.pk)


def _may_go_on(request: HttpRequest, action: BulkAction) -> bool:
    can = action.status in (BulkStatus.STOPPED, BulkStatus.FAILED)
    return can and may_take_up(request.user, action)


def _percent(action: BulkAction) -> int | None:
    """Return how much of it is done, None if nobody knows how much there is."""
    if action.status == BulkStatus.DONE:
        return 100
    if not action.total:
        return None
    return min(100, 100 * (action.done + action.refused) // action.total)


def _pace(action: BulkAction, handled: int) -> str:
    """Return how fast it is and how long it still takes, "" if that cannot be told yet."""
    if action.status != BulkStatus.RUNNING or action.started_at is None or action.moved_at is None:
        return ""
    took_s = (action.moved_at - action.started_at).total_seconds()
    if not handled or took_s <= 0:
        return ""
    rate = handled / took_s
    said = _("%(rate)d a second") % {"rate": round(rate)}
    if action.total and action.total > handled:
        left = seconds((action.total - handled) / rate)
        said = _("%(said)s, about %(left)s left") % {"said": said, "left": left}
    return said


def _silent_s(action: BulkAction) -> float | None:
    """Return how long nothing has moved, None if it moves or has not begun."""
    if not action.is_open or action.moved_at is None:
        return None
    silent_s = (timezone.now() - action.moved_at).total_seconds()
    return silent_s if silent_s > _QUIET_S else None
