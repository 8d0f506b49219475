"""Lists of long tables: numbered pages while all rows can be counted, older and newer by key beyond that."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from upnext_django.admin.filters import ClauseFilter
from upnext_django.admin.paging import COUNTED, CappedPaginator, goes_down_by_key
from upnext_django.operations.bulk.selection import Clause, Selection

__all__ = ["CannotBeKept", "LongChangeList"]

_BEFORE = "before"
_AFTER = "after"


class CannotBeKept(Exception):
    """A list has a filter, the text, that means something only now and here."""


@runtime_checkable
class SearchesByClauses(Protocol):
    """A ModelAdmin whose search has a form that can be kept."""

    def search_clauses(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> list[Clause]: ...


class LongChangeList(ChangeList):
    """A list whose pages cost the same wherever they are.

    OFFSET reads what it skips. So a list that goes from the highest key to the lowest and has too many rows
    to count them all goes on with ``?before=KEY`` and ``?after=KEY``, the keys of the last and the first row
    shown. A filter's links do without: whoever chooses one begins at its newest row.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self._before = request.GET.get(_BEFORE, "")
        self._after = request.GET.get(_AFTER, "")
        #: Whether there are more rows than were counted.
        self.is_capped = False
        #: Addresses of the newest, the next newer and the next older page; None if this is the last that way.
        self.newest_url: str | None = None
        self.newer_url: str | None = None
        self.older_url: str | None = None
        #: If the filters leave nothing: how many rows there are without them, and the address of those.
        self.without_filters = ""
        self.without_filters_url = "?"
        super().__init__(request, *args, **kwargs)
        for place in (_BEFORE, _AFTER):
            self.params.pop(place, None)
            self.filter_params.pop(place, None)

    @property
    def shown_count(self) -> str:
        """How many rows there are, "10,000+" if there are more than were counted."""
        return _shown(self.result_count, self._paginator.most)

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (_BEFORE, _AFTER)}

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        self._lookups: dict[str, Any] = dict(found[2])
        return found

    def selection(self, request: HttpRequest) -> Selection:
        """Return what the list's filters and search leave, up to now, in a form that keeps its meaning.

        Raises CannotBeKept for a filter that a project added and that has no such form.
        """
        clauses: list[Clause] = []
        words: list[str] = []
        for spec in self.filter_specs:
            for clause, said in _kept(spec, self.root_queryset.db):
                clauses.append(clause)
                words.append(said)
        for name, values in self._lookups.items():
            clauses.append(_any_of(name, values))
            words.append(f"{name}: {_shown_values(values)}")
        if self.query:
            assert isinstance(self.model_admin, SearchesByClauses)
            clauses += self.model_admin.search_clauses(request, self.root_queryset, self.query)
            words.append(_("search: %(text)s") % {"text": self.query})
        return Selection(clauses=clauses, words=words).bounded(self.model)

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        return str(super().get_query_string({_BEFORE: None, _AFTER: None, **(new_params or {})}, remove))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Django would say beside the search field how many there are; the list's foot does.
        self.full_result_count = self.result_count
        self.is_capped = self.result_count >= self._paginator.most
        if not self.result_count:
            # Looking for them again would read all that was looked through a second time.
            self.result_list = []
            self._look_without_filters()
        elif goes_down_by_key(self.queryset) and (self.is_capped or self._before or self._after):
            self._show(*self._page_by_key())
        elif (keys := self._paginator.keys_of(self.page_num)) is not None:
            rows = self.root_queryset.filter(pk__in=keys)
            self.result_list = rows.order_by(*self.get_ordering(request, rows))

    @property
    def _paginator(self) -> CappedPaginator:
        assert isinstance(self.paginator, CappedPaginator)
        return self.paginator

    def _page_by_key(self) -> tuple[list[Any], bool, bool]:
        """Return the rows of this page and whether there are newer and older ones."""
        rows: QuerySet[Any] = self.queryset
        size = self.list_per_page
        if self._after:
            found = list(rows.filter(pk__gt=self._after).order_by("pk")[: size + 1])
            if len(found) > size:
                return found[:size][::-1], True, True
            # Whoever goes up arrives at the newest page, not at a part of it.
            return self._numbered_page(1)
        if self._before:
            found = list(rows.filter(pk__lt=self._before)[: size + 1])
            return found[:size], True, len(found) > size
        return self._numbered_page(self.page_num)

    def _numbered_page(self, number: int) -> tuple[list[Any], bool, bool]:
        size = self.list_per_page
        start = size * (number - 1)
        found = list(self.queryset[start : start + size + 1])
        return found[:size], start > 0, len(found) > size

    def _show(self, rows: list[Any], newer: bool, older: bool) -> None:
        self.result_list = rows
        self.multi_page = newer or older
        if newer:
            self.newest_url = self.get_query_string()
        if newer and rows:
            self.newer_url = self.get_query_string({_AFTER: rows[0].pk})
        if older:
            self.older_url = self.get_query_string({_BEFORE: rows[-1].pk})

    def _look_without_filters(self) -> None:
        count = self.root_queryset.order_by()[:COUNTED].count()
        if count:
            self.without_filters = _shown(count, COUNTED)
        # Some filters leave rows out as long as nobody chooses all.
        chosen = {
            str(spec.parameter_name): "all"
            for spec in self.filter_specs
            if isinstance(spec, SimpleListFilter) and "all" in dict(spec.lookup_choices)
        }
        self.without_filters_url = f"?{urlencode(chosen)}"


def _kept(spec: Any, using: str) -> list[tuple[Clause, str]]:
    """Return what the choice of one filter means, and its words; nothing if nothing is left out."""
    if isinstance(spec, ClauseFilter):
        clause = spec.clause(using=using)
        return [] if clause is None else [(clause, spec.words())]
    if not spec.used_parameters:
        return []
    if type(spec).queryset is not FieldListFilter.queryset:
        raise CannotBeKept(str(spec.title))
    return [
        (_any_of(name, values), f"{spec.title}: {_shown_values(values)}")
        for name, values in spec.used_parameters.items()
    ]


def _any_of(name: str, values: Any) -> Clause:
    return [{name: value} for value in (values if isinstance(values, list) else [values])]


def _shown_values(values: Any) -> str:
    return ", ".join(map(str, values if isinstance(values, list) else [values]))


def _shown(count: int, most: int) -> str:
    return f"{most:,}+" if count >= most else f"{count:,}"
