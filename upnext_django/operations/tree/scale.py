"""The scale of time of a tree, with the stretches in which nothing happened cut short."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["WIDTH", "Gap", "Scale", "scale_of"]

#: Units from the left edge of the scale to the right.
WIDTH = 1000.0
#: An idle stretch longer than this part of the whole is cut...
_LONG = 0.1
#: ...to this many units.
_CUT = 24.0
_SHORTEST_S = 0.001


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that was cut: where it begins, how wide it is drawn, how long it was."""

    x: float
    width: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a moment lies. ``start`` and ``end`` are seconds since the epoch, ``gaps`` what was cut."""

    start: float
    end: float
    gaps: tuple[Gap, ...]
    _moments: tuple[float, ...]
    _places: tuple[float, ...]

    def at(self, moment: float) -> float:
        """Return the place of a moment, between 0 and WIDTH."""
        moments, places = self._moments, self._places
        if moment <= moments[0]:
            return 0.0
        if moment >= moments[-1]:
            return WIDTH
        after = bisect_right(moments, moment)
        begin, end = moments[after - 1], moments[after]
        part = (moment - begin) / (end - begin) if end > begin else 0.0
        return places[after - 1] + part * (places[after] - places[after - 1])

    def moment(self, place: float) -> float:
        """Return the moment that lies at a place, the inverse of at()."""
        moments, places = self._moments, self._places
        after = min(max(bisect_right(places, place), 1), len(places) - 1)
        begin, end = places[after - 1], places[after]
        part = (place - begin) / (end - begin) if end > begin else 0.0
        return moments[after - 1] + part * (moments[after] - moments[after - 1])


def scale_of(spans: Iterable[tuple[float, float]], *, cut: bool = True) -> Scale:
    """Return the scale over ``spans`` of (begin, end), in any order.

    Where none of them lies for more than a tenth of the whole, the stretch is cut short unless ``cut``
    is False.
    """
    ordered = sorted(spans) or [(0.0, 0.0)]
    start = ordered[0][0]
    end = max(start + _SHORTEST_S, max(span[1] for span in ordered))
    idle = _idle(ordered, (end - start) * _LONG) if cut else []
    width = (WIDTH - _CUT * len(idle)) / ((end - start) - sum(stop - begin for begin, stop in idle))
    moments, places, gaps = [start], [0.0], []
    for begin, stop in idle:
        place = places[-1] + (begin - moments[-1]) * width
        gaps.append(Gap(place, _CUT, stop - begin))
        moments += [begin, stop]
        places += [place, place + _CUT]
    moments.append(end)
    places.append(WIDTH)
    return Scale(start, end, tuple(gaps), tuple(moments), tuple(places))


def _idle(ordered: list[tuple[float, float]], longer_than: float) -> list[tuple[float, float]]:
    found = []
    reached = ordered[0][1]
    for begin, end in ordered:
        if begin - reached > longer_than:
            found.append((reached, begin))
        reached = max(reached, end)
    return found
