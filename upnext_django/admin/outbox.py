"""The outbox in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from upnext_django.admin.display import as_text, time_column
from upnext_django.admin.moments import SetAsideFilter
from upnext_django.admin.readonly import ReadOnlyAdmin
from upnext_django.models import OutboxEntry

__all__ = ["OutboxEntryAdmin"]


@admin.register(OutboxEntry)
class OutboxEntryAdmin(ReadOnlyAdmin):
    """Jobs that are committed and not yet known to be in Redis. Of the database that the routers name.

    The item is not shown: it has the arguments, which may be secret.
    """

    list_display = ("job_id", "function", "queue", "redis", "shown_created_at", "shown_set_aside_at", "error")
    list_filter = (SetAsideFilter,)
    ordering = ("id",)
    fields = ("job_id", "function", "queue", "redis", "shown_created_at", "shown_set_aside_at", "shown_error")

    shown_created_at = time_column("created_at", _("submitted"))
    shown_set_aside_at = time_column("set_aside_at", _("set aside"))

    @admin.display(description=_("error"))
    def shown_error(self, entry: OutboxEntry) -> SafeString | str:
        return as_text(entry.error)
