"""How many jobs ended, how, and how long they took."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from upnext_django.api.endpoint import endpoint
from upnext_django.api.params import Name
from upnext_django.api.problems import ProblemError
from upnext_django.api.shape import Shape
from upnext_django.operations import stats
from upnext_django.operations.scope import visible_statistics
from upnext_django.operations.stats import Counts, Point, Window

__all__ = ["Numbers", "Span", "router"]

router = Router(tags=["jobs"])


class Span(StrEnum):
    """A stretch of time up to now, cut into minutes, hours or six hours."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def window(self) -> Window:
        return Window[self.name]


class Numbers(Shape):
    """Ends of jobs and attempts in a stretch of time. The counts are the mirror's."""

    ended: int = Field(description="Jobs that reached their final status.")
    complete: int
    failed: int
    cancelled: int
    retried: int = Field(description="Attempts that another one followed.")
    success: float | None = Field(
        default=None, description="The share of complete jobs among complete and failed ones."
    )
    p50_s: float | None = Field(default=None, description="An estimate of the median attempt, in seconds.")
    p95_s: float | None = Field(default=None, description="What 95 % of the attempts did not exceed.")

    @classmethod
    def of(cls, counts: Counts) -> Numbers:
        """Return what ``counts`` says."""
        return cls(
            ended=counts.ended,
            complete=counts.complete,
            failed=counts.failed,
            cancelled=counts.cancelled,
            retried=counts.retried,
            success=counts.success,
            p50_s=counts.p50_s,
            p95_s=counts.p95_s,
        )


class StatsOut(Shape):
    """The numbers of a whole window."""

    window: Span
    since: datetime
    numbers: Numbers


class TrendPoint(Shape):
    """The numbers of one piece of a window."""

    start: datetime
    numbers: Numbers


class TrendsOut(Shape):
    """A window in pieces, the oldest first; those without jobs too."""

    window: Span
    piece_s: int = Field(description="The length of a piece in seconds.")
    points: list[TrendPoint]


_Window = Annotated[Span, Field(description="How far back.")]
_Function = Annotated[Name | None, Field(description="The identity of a function; all of them without it.")]
_Queue = Annotated[Name | None, Field(description="The name of a queue; all of them without it.")]


@endpoint(router, "GET", "/jobs/stats", needs="view_jobrecord", answer=StatsOut)
def get_stats(
    request: HttpRequest, window: _Window = Span.DAY, function: _Function = None, queue: _Queue = None
) -> StatsOut:
    """Count the jobs that ended in the last hour, day or week.

    Whoever may see a part of the jobs is refused with 403 unless the project says which counts are his.
    """
    points = _points(request, window, function, queue)
    return StatsOut(window=window, since=points[0].start, numbers=Numbers.of(stats.total(points)))


@endpoint(router, "GET", "/jobs/trends", needs="view_jobrecord", answer=TrendsOut)
def get_trends(
    request: HttpRequest, window: _Window = Span.DAY, function: _Function = None, queue: _Queue = None
) -> TrendsOut:
    """Count the jobs that ended in each piece of the last hour, day or week; refused as the stats are."""
    points = _points(request, window, function, queue)
    return TrendsOut(
        window=window,
        piece_s=window.window.piece_s,
        points=[TrendPoint(start=point.start, numbers=Numbers.of(point.counts)) for point in points],
    )


def _points(request: HttpRequest, span: Span, function: str | None, queue: str | None) -> list[Point]:
    among = visible_statistics(request)
    if among is None:
        raise ProblemError(
            403,
            "You may see a part of the jobs, and these numbers count all of them. The project's "
            "ADMIN_QUERYSET has to narrow StatRecord too.",
        )
    return stats.series(span.window, function=function, queue=queue, among=among)
