"""Filters by whether something has happened to a row: its time is in a column, or the column is null."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

__all__ = ["PresenceFilter", "SetAsideFilter", "ValidityFilter"]


class _MomentFilter(admin.SimpleListFilter):
    parameter_name = "state"
    column: ClassVar[str]
    before: ClassVar[tuple[str, str | Promise]]
    after: ClassVar[tuple[str, str | Promise]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [self.before, self.after]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        states = {self.before[0]: True, self.after[0]: False}
        chosen = states.get(str(self.value()))
        return queryset if chosen is None else queryset.filter(**{f"{self.column}__isnull": chosen})


class PresenceFilter(_MomentFilter):
    """Workers by whether they have left."""

    title = _("state")
    column = "left_at"
    before = ("running", _("running"))
    after = ("left", _("left"))


class SetAsideFilter(_MomentFilter):
    """Jobs of the outbox by whether the relay has given them up."""

    title = _("state")
    column = "set_aside_at"
    before = ("waiting", _("waiting to be sent"))
    after = ("set_aside", _("set aside"))


class ValidityFilter(_MomentFilter):
    """API tokens by whether they were revoked."""

    title = _("state")
    column = "revoked_at"
    before = ("usable", _("not revoked"))
    after = ("revoked", _("revoked"))
