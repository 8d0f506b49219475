"""Pages of a table that is too long to count."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db.models import QuerySet

__all__ = ["COUNTED", "FEW_COUNTED", "CappedPaginator", "goes_down_by_key"]

#: Rows that are counted at most; a list that has as many is paged by key, see LongChangeList.
COUNTED = 10_000
#: The same where no index finds them, so that they are looked for row by row.
FEW_COUNTED = 1_000


# Django's class takes no parameters outside of its stubs.
if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


class CappedPaginator(_Paginator):
    """Counts up to ``most`` rows: a full count of a million rows takes longer than the page.

    ``looks_through`` says that finding them takes long: then they are looked for once, their keys are kept,
    and a page is read by its keys.
    """

    looks_through = False
    _keys: list[Any] | None = None

    @property
    def most(self) -> int:
        """Rows that are counted at most."""
        return FEW_COUNTED if self.looks_through else COUNTED

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, ``most`` if there are more."""
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        if self.looks_through:
            self._keys = list(rows.values_list("pk", flat=True)[: self.most])
            return len(self._keys)
        # By key the newest are counted first: of a status with many jobs they are the ones of the last hours.
        return (rows if goes_down_by_key(rows) else rows.order_by())[: self.most].count()

    def keys_of(self, number: int) -> list[Any] | None:
        """Return the keys of the rows on a page, None if they were not kept."""
        start = self.per_page * (number - 1)
        return None if self._keys is None else self._keys[start : start + self.per_page]


def goes_down_by_key(rows: QuerySet[Any]) -> bool:
    """Return whether ``rows`` go from the highest key to the lowest, as every index on them does."""
    ordering = set(rows.query.order_by)
    return bool(ordering) and ordering <= {"-pk", f"-{rows.model._meta.pk.attname}"}
