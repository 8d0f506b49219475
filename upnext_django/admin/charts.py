"""Charts as server-rendered SVG, each with its numbers in a table: no script, no inline style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from upnext_django.admin.display import seconds
from upnext_django.operations.stats import Point, Window

__all__ = ["Chart", "durations", "sparkline", "throughput"]

WIDTH = 600
HEIGHT = 120


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle: numbers as text with a point, whatever the language; ``fill`` names its colour."""

    x: str
    y: str
    width: str
    height: str
    fill: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, as the attribute of a polyline; ``stroke`` names its colour."""

    points: str
    stroke: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing and the table that says the same. ``top`` is what the upper edge stands for."""

    title: str
    top: str
    first: str
    last: str
    pieces: Sequence[Piece]
    lines: Sequence[Line]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    width: int = WIDTH
    height: int = HEIGHT


def throughput(points: Sequence[Point], window: Window, title: str) -> Chart:
    """Return stacked bars of the jobs that ended in each piece: complete, cancelled, failed."""
    top = max((point.counts.ended for point in points), default=0) or 1
    step = WIDTH / max(len(points), 1)
    pieces = []
    for place, point in enumerate(points):
        floor = float(HEIGHT)
        when = _when(point.start, window)
        counts = point.counts
        for jobs, fill, word in (
            (counts.complete, "good", _("complete")),
            (counts.cancelled, "quiet", _("cancelled")),
            (counts.failed, "bad", _("failed")),
        ):
            if not jobs:
                continue
            tall = max(1.0, jobs / top * HEIGHT)
            floor -= tall
            pieces.append(
                Piece(
                    f"{place * step:.1f}",
                    f"{max(0.0, floor):.1f}",
                    f"{max(step - 1, 0.5):.1f}",
                    f"{tall:.1f}",
                    fill,
                    f"{when}: {jobs} {word}",
                )
            )
    return Chart(
        title=title,
        top=f"{top:,}",
        first=_when(points[0].start, window) if points else "",
        last=_("now"),
        pieces=pieces,
        lines=(),
        columns=(_("from"), _("complete"), _("failed"), _("cancelled"), _("retried")),
        rows=[
            [
                _when(point.start, window),
                *(f"{count:,}" for count in _numbers(point)),
            ]
            for point in points
            if any(_numbers(point))
        ],
    )


def durations(points: Sequence[Point], window: Window, title: str) -> Chart:
    """Return the median and the 95th percentile of how long attempts ran, as lines."""
    top = max((point.counts.p95_s or 0.0 for point in points), default=0.0) or 1.0
    step = WIDTH / max(len(points) - 1, 1)

    def line(of: Callable[[Point], float | None], stroke: str, word: str) -> list[Line]:
        drawn: list[str] = []
        found: list[list[str]] = []
        for place, point in enumerate(points):
            value = of(point)
            if value is None:
                found.append(drawn)
                drawn = []
            else:
                drawn.append(f"{place * step:.1f},{HEIGHT - min(value / top, 1.0) * HEIGHT:.1f}")
        found.append(drawn)
        # A single point is a line too, lest an hour with neighbours without jobs be invisible.
        return [Line(" ".join(part if len(part) > 1 else part * 2), stroke, word) for part in found if part]

    return Chart(
        title=title,
        top=seconds(top),
        first=_when(points[0].start, window) if points else "",
        last=_("now"),
        pieces=(),
        lines=[
            *line(lambda point: point.counts.p50_s, "busy", _("median")),
            *line(lambda point: point.counts.p95_s, "warn", _("95th percentile")),
        ],
        columns=(_("from"), _("median"), _("95th percentile")),
        rows=[
            [_when(point.start, window), seconds(point.counts.p50_s), seconds(point.counts.p95_s)]
            for point in points
            if point.counts.p50_s is not None
        ],
    )


def sparkline(values: Sequence[int], title: str) -> Chart:
    """Return small bars of ``values``, without a table: what they mean stands beside them."""
    top = max(values, default=0) or 1
    step = 120 / max(len(values), 1)
    pieces = [
        Piece(
            f"{place * step:.1f}",
            f"{24 - value / top * 24:.1f}",
            f"{max(step - 1, 0.5):.1f}",
            f"{value / top * 24:.1f}",
            "bad",
            str(value),
        )
        for place, value in enumerate(values)
        if value
    ]
    return Chart(title, str(top), "", "", pieces, (), (), (), width=120, height=24)


def _numbers(point: Point) -> tuple[int, int, int, int]:
    counts = point.counts
    return counts.complete, counts.failed, counts.cancelled, counts.retried


def _when(moment: datetime, window: Window) -> str:
    local = timezone.localtime(moment)
    return f"{local:%H:%M}" if window is not Window.WEEK else f"{local:%a %d %H:%M}"
