"""Queues as Redis has them now: what waits and why, pause and resume."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.translation import gettext as _

from upnext_django.admin import acting
from upnext_django.admin.pace import of_queues
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import Queue
from upnext_django.operations import control, live
from upnext_django.operations.looking import look
from upnext_django.operations.queue_part import may_pause, visible_queues
from upnext_django.operations.scope import is_part
from upnext_django.operations.stats import Window

__all__ = ["QueueAdmin"]


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """A page of all queues and one for each."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page_path("", self.queues, "changelist"),
            self.page_path("<str:name>/", self.queue, "detail"),
            self.page_path("<str:name>/pause/", self.pause, "pause", "pause"),
            self.page_path("<str:name>/resume/", self.resume, "resume", "pause"),
        ]

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "pause_queue")

    def queues(self, request: HttpRequest) -> HttpResponseBase:
        """Show every queue of the namespace."""
        found, away = look(lambda: visible_queues(request, live.queues()))
        return self.page(
            request,
            "admin/upnext/queue/list.html",
            title=_("Queues"),
            queues=found or (),
            is_part=is_part(request),
            away=away,
            queue_links=True,
            ended=look(lambda: of_queues(request, Window.HOUR))[0],
            queue_actions=self.has_pause_permission(request),
        )

    def queue(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Show one queue: each function in it, how many wait, and why."""
        known, away = look(lambda: {one.name: one for one in visible_queues(request, live.queues())})
        found = None if known is None else known.get(name)
        if known is not None and found is None:
            raise Http404(f"There is no queue {name!r}.")
        return self.page(
            request,
            "admin/upnext/queue/detail.html",
            title=_("Queue %(name)s") % {"name": name},
            queue=found,
            queues=[found] if found else [],
            ended=look(lambda: of_queues(request, Window.HOUR))[0],
            is_part=is_part(request),
            queue_actions=self.has_pause_permission(request),
            away=away,
        )

    def pause(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Let no job of the queue begin. POST only."""
        return self._switch(request, name, paused=True)

    def resume(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Let its jobs begin again. POST only."""
        return self._switch(request, name, paused=False)

    def _switch(self, request: HttpRequest, name: str, *, paused: bool) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_pause(request, name):
            # It would hold up functions of others.
            raise PermissionDenied

        def switch() -> str:
            if paused:
                control.pause_queue(name, by=request.user)
                return _("The queue %(name)s is paused: what runs goes on, nothing new begins.") % {
                    "name": name
                }
            control.resume_queue(name, by=request.user)
            return _("The queue %(name)s goes on.") % {"name": name}

        acting.attempt(request, switch)
        return HttpResponseRedirect(self.url("upnext_queue_changelist"))
