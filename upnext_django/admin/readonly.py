"""What all lists of the history have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from upnext_django.admin.listing import LongChangeList
from upnext_django.admin.page import PageAdmin
from upnext_django.admin.paging import CappedPaginator
from upnext_django.operations.bulk.selection import Clause
from upnext_django.operations.scope import scoped

__all__ = ["ReadOnlyAdmin", "part_of"]


_SEEN_BY = "_upnext_seen_by"


def part_of(model: type[Any], seen: Any) -> QuerySet[Any] | None:
    """Return the rows of ``model`` that the user sees who is shown ``seen``, None for all of them."""
    request = seen.__dict__.get(_SEEN_BY)
    return None if request is None else scoped(request, model._default_manager.all())


class ReadOnlyAdmin(PageAdmin):
    """Rows that the mirror writes: to be looked at, at a cost that does not grow with the table.

    Nothing can be sorted by a click, since most columns have no index.
    """

    actions: Sequence[str] | None = None
    list_per_page = 50
    list_max_show_all = 0
    list_select_related = ()
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return scoped(request, super().get_queryset(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            # Its columns are told of no request, and what it led to may be none of the user's: see part_of().
            found.__dict__[_SEEN_BY] = request
        return found

    def search_clauses(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> list[Clause]:
        """Return what a search of this list means, for an action to keep; most lists have no search."""
        return []

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> CappedPaginator:
        paginator = super().get_paginator(request, *args, **kwargs)
        assert isinstance(paginator, CappedPaginator)
        paginator.looks_through = self.looks_through(request)
        return paginator

    def looks_through(self, request: HttpRequest) -> bool:
        """Return whether no index finds the rows that the request asks for: see CappedPaginator."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
