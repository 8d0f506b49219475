"""What the templates of the admin's pages need: the bar of pages, the breadcrumbs, pills and durations."""

from __future__ import annotations

from typing import Any

import django
from django import template
from django.template import Context
from django.urls import reverse

from upnext_django.admin import display, live
from upnext_django.admin.bounds import REDIS_S
from upnext_django.admin.cron_words import in_words
from upnext_django.broker.patience import patience
from upnext_django.operations.away import Cause, Need
from upnext_django.operations.health.history import Lag, lag
from upnext_django.operations.looking import look
from upnext_django.operations.sse import can_stream

__all__ = ["register"]

register = template.Library()

#: The pages in the order of a look round; what a site adds comes after them.
_ORDER = (
    "Overview",
    "JobRecord",
    "Failure",
    "DeadLetterRecord",
    "FunctionRecord",
    "Schedule",
    "Queue",
    "WorkerRecord",
    "ArtifactRecord",
    "OutboxEntry",
    "BulkAction",
    "Secret",
    "ApiToken",
)

register.filter("upnext_cron", in_words)
register.filter("upnext_get", lambda values, key: values.get(key, "-"))
register.filter("upnext_moment", display.moment)
register.filter("upnext_pill", display.pill)
register.filter("upnext_visible", display.visible)
register.filter("upnext_seconds", display.seconds)


@register.inclusion_tag("admin/upnext/_nav.html", takes_context=True)
def upnext_nav(context: Context) -> dict[str, Any]:
    """Show links to the pages that the user may see, the present one marked, and what refreshes a page.

    Below them: that Redis is away, or that the history is behind, for every page shows one of them.
    """
    apps = context.get("available_apps") or ()
    models = [model for app in apps if app["app_label"] == "upnext" for model in app["models"]]
    order = {name: place for place, name in enumerate(_ORDER)}
    models.sort(key=lambda model: order.get(model["object_name"], len(order)))
    opts = context.get("opts")
    here = opts.object_name if opts is not None and opts.app_label == "upnext" else None
    # The stream is one of the overview's addresses, and asks for the permission to see it.
    streams = can_stream(context.get("request")) and any(
        model["object_name"] == "Overview" for model in models
    )
    behind, away = _state(context) if models else (None, "")
    return {
        "behind": behind,
        "away": away,
        "choices": live.CHOICES,
        "stream_url": reverse("admin:upnext_overview_changes", current_app=_site_name(context))
        if streams
        else None,
        "links": [
            {"url": model["admin_url"], "name": model["name"], "here": model["object_name"] == here}
            for model in models
            if model.get("admin_url")
        ],
    }


@register.inclusion_tag("admin/upnext/_breadcrumbs.html", takes_context=True)
def upnext_breadcrumbs(context: Context) -> dict[str, Any]:
    """Show ``trail`` and ``title``; Django 6.1 made its breadcrumbs a list, which has other styles."""
    return {
        "trail": context.get("trail", ()),
        "title": context.get("title", ""),
        "as_list": django.VERSION >= (6, 1),
    }


def _state(context: Context) -> tuple[Lag | None, str]:
    """Return how far the history is behind, if it is, and why live data is missing, "" if it is not."""
    cause = context.get("cause")
    if isinstance(cause, Cause) and cause.of is not Need.DATABASE:
        return None, ""
    with patience(REDIS_S):
        now, away = look(lag)
    met = context.get("away") or getattr(context.get("cl"), "away", "")
    return (now if now is not None and now.is_behind else None), met or away


def _site_name(context: Context) -> str | None:
    """Return which admin site shows the page; there may be several."""
    return getattr(context.get("request"), "current_app", None)
