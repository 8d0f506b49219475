"""Which rows an action is about: filters that mean the same tomorrow, up to the moment they were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.exceptions import RedisUnavailable

__all__ = ["NOTHING", "Clause", "Selection", "narrowed", "now"]

#: Sets of Django's lookups of which one must hold, each with all that it names. Plain values, times as text.
Clause: TypeAlias = Sequence[Mapping[str, Any]]
#: Holds for no row.
NOTHING: Clause = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of one model: those that hold every one of ``clauses``, up to ``newest`` and ``until``.

    No key is above ``newest``, and what counts came to be until ``until``, see verb.Doing. ``words`` say the
    clauses to people. Of ``newest`` "" and ``until`` None the present ones are taken by bounded(); an action
    does not begin without.
    """

    clauses: Sequence[Clause] = ()
    words: Sequence[str] = ()
    newest: str = ""
    until: datetime | None = None

    def bounded(self, model: type[Model]) -> Selection:
        """Return the same up to now: what comes to be later is not in it."""
        newest = _all(model).order_by("-pk").values_list("pk", flat=True).first()
        return Selection(
            clauses=self.clauses,
            words=self.words,
            newest=self.newest or newest or "",
            until=self.until or now(),
        )

    def rows(self, model: type[Model]) -> QuerySet[Any]:
        """Return them, whoever may see them."""
        rows = narrowed(_all(model), self.clauses)
        return rows.filter(pk__lte=self.newest) if self.newest else rows

    @property
    def lowest(self) -> str:
        """The key below which nothing can hold, "" if the clauses do not say."""
        found = [
            str(value)
            for clause in self.clauses
            if len(clause) == 1
            for name, value in clause[0].items()
            if name in ("pk__gte", "id__gte", "job_id__gte")
        ]
        return max(found, default="")

    def as_dict(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return {
            "clauses": [[dict(one) for one in clause] for clause in self.clauses],
            "words": list(self.words),
            "newest": self.newest,
            "until": None if self.until is None else self.until.isoformat(),
        }

    @classmethod
    def of_dict(cls, facts: Mapping[str, Any]) -> Selection:
        """Return what as_dict() was made of."""
        until = facts["until"]
        return cls(
            clauses=facts["clauses"],
            words=facts["words"],
            newest=facts["newest"],
            until=None if until is None else datetime.fromisoformat(until),
        )

    @property
    def looks_into_arguments(self) -> bool:
        """Whether it tells of arguments: only who may see payloads may use it."""
        names = (name for clause in self.clauses for one in clause for name in one)
        return any(name.partition("__")[0] in ("arguments", "result", "checkpoint", "meta") for name in names)


def narrowed(rows: QuerySet[Any], clauses: Sequence[Clause]) -> QuerySet[Any]:
    """Return those of ``rows`` that hold every one of ``clauses``."""
    for clause in clauses:
        any_of = Q()
        for one in clause:
            any_of |= Q(**one)
        if len(clause) > 1:
            # Looked up by itself: beside another clause that one's index might be taken for all of them.
            found = rows.model._default_manager.using(rows.db).filter(any_of)
            any_of = Q(pk__in=found.order_by().values("pk"))
        rows = rows.filter(any_of) if clause else rows.none()
    return rows


def now() -> datetime:
    """Return the time of Redis, by which jobs are stamped; ours while it is away."""
    try:
        return datetime.fromtimestamp(get_broker().inspector.now_ms() / 1000, UTC)
    except (RedisUnavailable, ImproperlyConfigured):
        return timezone.now()


def _all(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.using(conf.get().database).all()
