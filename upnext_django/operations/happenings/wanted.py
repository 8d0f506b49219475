"""Which happenings somebody wants to hear of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from upnext_django.core.lifecycle import Move
from upnext_django.operations.happenings.happening import Happening, Position

__all__ = ["Batch", "Wanted"]


@dataclass(slots=True)
class Batch:
    """What one read of the feed gave: all from after ``before`` up to ``last``, with what finds some of it.

    The indices are made when somebody asks by them, once for all who do.
    """

    before: Position
    last: Position
    happenings: Sequence[Happening]
    _all: bytes | None = None
    _indices: dict[str, dict[str, list[Happening]]] = field(default_factory=dict)

    def all_sent(self) -> bytes:
        """Return the lines of all of it."""
        if self._all is None:
            self._all = b"".join(one.sent for one in self.happenings)
        return self._all

    def by(self, what: str, values: Iterable[str]) -> list[Happening]:
        """Return those whose ``what`` (an attribute) is one of ``values``, in their order."""
        index = self._indices.get(what)
        if index is None:
            made: defaultdict[str, list[Happening]] = defaultdict(list)
            for one in self.happenings:
                made[getattr(one, what)].append(one)
            index = self._indices[what] = dict(made)
        found = [one for value in values for one in index.get(value, ())]
        found.sort(key=_position)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filters; each that is not empty must hold, with any of its values."""

    job_ids: frozenset[str] = frozenset()
    root_ids: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    moves: frozenset[Move] = frozenset()

    @property
    def is_everything(self) -> bool:
        return not (self.job_ids or self.root_ids or self.functions or self.moves)

    def of(self, batch: Batch) -> Sequence[Happening]:
        """Return what of ``batch`` is wanted: one index finds candidates, the other filters look at them."""
        if self.job_ids:
            found: Sequence[Happening] = batch.by("job_id", self.job_ids)
        elif self.root_ids:
            found = batch.by("root_id", self.root_ids)
        elif self.functions:
            found = batch.by("function", self.functions)
        elif self.moves:
            return batch.by("move", self.moves)
        else:
            return batch.happenings
        return [
            one
            for one in found
            if (not self.root_ids or one.root_id in self.root_ids)
            and (not self.functions or one.function in self.functions)
            and (not self.moves or one.move in self.moves)
        ]


def _position(one: Happening) -> Position:
    return one.position
