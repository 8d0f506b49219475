"""Filters whose choices cost no look at the big table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from upnext_django.admin.paging import COUNTED
from upnext_django.models import DeadLetterRecord, FunctionRecord, WorkerRecord
from upnext_django.operations import history
from upnext_django.operations.bulk.selection import Clause, narrowed
from upnext_django.operations.scope import scoped

__all__ = [
    "ClauseFilter",
    "DecisionFilter",
    "ErrorTypeFilter",
    "FunctionFilter",
    "LevelFilter",
    "QueueFilter",
    "WhenFilter",
    "WorkerFilter",
]

_DEFAULT = "24h"
_LETTERS_LOOKED_AT = 1_000
_LOOKED_AT = 150_000
_SPANS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
_WORKERS = 50
# Whoever asks for these wants the jobs however old they are.
_AGELESS = (SEARCH_VAR, "parent_id", "root_id", "replay_of")


class ClauseFilter(admin.SimpleListFilter):
    """A filter whose choice is a clause of operations.bulk.selection, so that an action can keep it."""

    def clause(self, *, using: str) -> Clause | None:
        """Return what the choice means from now on, None if it leaves nothing out."""
        raise NotImplementedError

    def words(self) -> str:
        """Return the choice as people read it."""
        said = {value: text for value, text in self.lookup_choices if value == self.value()}
        return f"{self.title}: {next(iter(said.values()), self.value())}"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        clause = self.clause(using=queryset.db)
        return queryset if clause is None else narrowed(queryset, [clause])


class _ColumnFilter(ClauseFilter):
    """A filter whose parameter is the column that has the value."""

    def clause(self, *, using: str) -> Clause | None:
        return [{str(self.parameter_name): self.value()}] if self.value() else None


class _ChosenFilter(ClauseFilter):
    """A filter that always has a value: there is no "All" beside its own choices."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for lookup, title in self.lookup_choices:
            yield {
                "selected": self.value() == lookup,
                "query_string": changelist.get_query_string({str(self.parameter_name): lookup}),
                "display": title,
            }


class WhenFilter(_ChosenFilter):
    """Jobs by their age, the last 24 hours unless a job is searched for or another span is chosen."""

    title = _("when")
    parameter_name = "when"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self._default = "all" if any(request.GET.get(name) for name in _AGELESS) else _DEFAULT
        # An index on what else is asked for goes on beyond the span, which jobs alone do not.
        is_narrowed = any(value for name, value in request.GET.items() if name != self.parameter_name)
        self._most = _LOOKED_AT if is_narrowed else COUNTED

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("15m", _("last 15 minutes")),
            ("1h", _("last hour")),
            ("24h", _("last 24 hours")),
            ("7d", _("last 7 days")),
            ("all", _("all")),
        ]

    def value(self) -> str:
        value = super().value()
        return value if value in _SPANS or value == "all" else self._default

    def clause(self, *, using: str) -> Clause | None:
        span = _SPANS.get(self.value())
        if span is None:
            return None
        found = history.since(timezone.now() - span, using=using, most=self._most)
        return [{**found, "created_at__gte": found["created_at__gte"].isoformat()}]

    def words(self) -> str:
        span = _SPANS.get(self.value())
        if span is None:
            return super().words()
        since = timezone.localtime() - span
        return str(_("submitted since %(since)s")) % {"since": f"{since:%Y-%m-%d %H:%M:%S %Z}"}


class FunctionFilter(_ColumnFilter):
    """Jobs by their function, from the registry: DISTINCT would read every job."""

    title = _("task")
    parameter_name = "function"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = scoped(request, FunctionRecord.objects.order_by("function_name", "function"))
        names = known.values_list("function", "function_name")
        return [(function, name or function) for function, name in names]


class QueueFilter(_ColumnFilter):
    """Jobs by their queue, from the registry of functions."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        queues = scoped(request, FunctionRecord.objects.exclude(queue="").order_by("queue"))
        return [(queue, queue) for queue in queues.values_list("queue", flat=True).distinct()]


class WorkerFilter(_ColumnFilter):
    """Jobs by the worker of their newest attempt, from the registry of workers."""

    title = _("worker")
    parameter_name = "worker_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = scoped(request, WorkerRecord.objects.order_by("left_at", "-started_at"))
        return [(worker, worker) for worker in newest.values_list("id", flat=True)[:_WORKERS]]


class LevelFilter(ClauseFilter):
    """Whole workflows instead of all of their jobs."""

    title = _("level")
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("top", _("top of a tree only"))]

    def clause(self, *, using: str) -> Clause | None:
        return [{"parent_id__isnull": True}] if self.value() == "top" else None


class DecisionFilter(_ChosenFilter):
    """Dead letters by what was decided about them; open ones unless another choice is made."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open")),
            ("replayed", _("replayed")),
            ("discarded", _("discarded")),
            ("all", _("all")),
        ]

    def value(self) -> str:
        value = super().value()
        return value if value in ("replayed", "discarded", "all") else "open"

    def clause(self, *, using: str) -> Clause | None:
        match self.value():
            case "open":
                return [{"replayed_as__isnull": True, "discarded_at__isnull": True}]
            case "replayed":
                return [{"replayed_as__isnull": False}]
            case "discarded":
                return [{"discarded_at__isnull": False}]
        return None


class ErrorTypeFilter(_ColumnFilter):
    """Dead letters by the class of their error; the choices are those of the newest 1,000."""

    title = _("error type")
    parameter_name = "error_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        letters = scoped(request, DeadLetterRecord.objects.order_by("-job_id"))
        newest = letters.values_list("error_type", flat=True)[:_LETTERS_LOOKED_AT]
        return [(name, name) for name in sorted({name for name in newest if name})]
