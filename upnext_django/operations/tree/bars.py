"""The bars of a line on the scale: how long a job waited, and each of its attempts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from upnext_django.operations.tree.jobs import TreeJob
from upnext_django.operations.tree.scale import WIDTH, Scale

__all__ = ["Bar", "bars", "density"]

#: A bar is never narrower, so that a short job can be seen.
_NARROWEST = 2.0
_PARTS = 50


class Bar(NamedTuple):
    """A piece of a line. ``kind`` is "wait", "pause" (before a retry) or an attempt's outcome.

    ``x`` and ``width`` are in units of the scale; ``seconds`` is how long it lasted, ``strength`` how much of
    the group it stands for, 0 to 1.
    """

    kind: str
    x: float
    width: float
    seconds: float
    strength: float = 1.0


def bars(job: TreeJob, scale: Scale, now: float) -> list[Bar]:
    """Return the bars of a job in their order. What has not ended ends ``now``."""
    start = job.first_start
    if start is None:
        end = now if job.completed is None else job.completed
        return [_bar("wait", job.ready, end, scale)] if end > job.ready else []
    found = []
    if start > job.ready:
        found.append(_bar("wait", job.ready, start, scale))
    before: float | None = None
    for outcome, started, ended in job.segments:
        if before is not None and started > before:
            found.append(_bar("pause", before, started, scale))
        before = now if ended is None else ended
        found.append(_bar(outcome, started, max(before, started), scale))
    return found


def density(jobs: Iterable[TreeJob], scale: Scale, now: float) -> list[Bar]:
    """Return the bars of a folded group: the stronger, the more of its jobs ran at the time.

    A part in which one that failed has ended is "failed".
    """
    counts = [0] * (_PARTS + 1)
    failed = [False] * _PARTS
    for job in jobs:
        start = job.first_start
        if start is None:
            continue
        end = now if job.completed is None else job.completed
        first, last = _part(start, scale), _part(end, scale)
        counts[first] += 1
        counts[last + 1] -= 1
        failed[last] |= job.status == "failed"
    running, most, levels = 0, 0, []
    for change in counts[:-1]:
        running += change
        levels.append(running)
        most = max(most, running)
    width = WIDTH / _PARTS
    return [
        Bar("failed" if failed[place] else "complete", place * width, width, 0.0, level / most)
        for place, level in enumerate(levels)
        if level
    ]


def _part(moment: float, scale: Scale) -> int:
    return min(_PARTS - 1, int(scale.at(moment) * _PARTS / WIDTH))


def _bar(kind: str, begin: float, end: float, scale: Scale) -> Bar:
    x = scale.at(begin)
    width = scale.at(end) - x
    if width < _NARROWEST:
        width = _NARROWEST
        if x > WIDTH - width:
            x = WIDTH - width
    return Bar(kind, x, width, end - begin)
