"""The lines of a tree's page: a line a job, but one for many siblings that are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from upnext_django.core.lifecycle import TERMINAL
from upnext_django.operations.tree.jobs import TreeJob
from upnext_django.operations.tree.order import Branch

__all__ = ["GroupLine", "JobLine", "Line", "lines"]

#: From this many siblings of one name on they are folded.
_FOLDED_FROM = 5
#: Of a folded group so many are shown of each sort that somebody may look for: failed, running, critical.
_SHOWN_OF_A_SORT = 5


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job. ``below`` is how many children it has, ``critical`` whether it is on the critical path."""

    depth: int
    job: TreeJob
    below: int
    critical: bool
    orphan: bool


@dataclass(frozen=True, slots=True)
class GroupLine:
    """Siblings of one name. ``shown`` of them have lines of their own below; ``key`` opens the group."""

    depth: int
    key: str
    name: str
    jobs: tuple[TreeJob, ...]
    shown: int

    @property
    def count(self) -> int:
        return len(self.jobs)

    @property
    def failed(self) -> int:
        return sum(job.status == "failed" for job in self.jobs)

    @property
    def live(self) -> int:
        """How many have not ended."""
        return sum(job.status not in TERMINAL for job in self.jobs)

    @property
    def median_s(self) -> float | None:
        """The median of how long they ran, None if none has ended."""
        ran = [job.ran_s for job in self.jobs if job.ran_s is not None]
        return median(ran) if ran else None


Line = JobLine | GroupLine


def lines(
    tops: list[Branch],
    *,
    critical: frozenset[str] = frozenset(),
    opened: Mapping[str, int] | None = None,
    fold: bool = True,
) -> list[Line]:
    """Return the lines of a tree, from the top down.

    Five or more siblings of a name become a GroupLine, and below it those that failed, run, took the longest
    or are critical, a few of each; ``opened`` names groups (by key) that show that many of their first
    jobs instead. ``fold`` False gives each job its line.
    """
    opened = opened or {}
    found: list[Line] = []
    waiting: list[tuple[int, Branch | _Group]] = [(0, top) for top in reversed(tops)]
    while waiting:
        depth, item = waiting.pop()
        if isinstance(item, Branch):
            job = item.job
            found.append(JobLine(depth, job, len(item.children), job.id in critical, item.orphan))
            below: list[Branch | _Group] = list(item.children)
            if fold:
                below = _folded(job.id, item.children)
        else:
            below = list(item.shown(critical, opened.get(item.key, 0)))
            jobs = tuple(branch.job for branch in item.branches)
            found.append(GroupLine(depth, item.key, item.name, jobs, len(below)))
        waiting.extend((depth + 1, one) for one in reversed(below))
    return found


@dataclass(frozen=True, slots=True)
class _Group:
    key: str
    name: str
    branches: list[Branch]

    def shown(self, critical: frozenset[str], first: int) -> list[Branch]:
        if first:
            return self.branches[:first]
        wanted: set[str] = set()
        for sort in (
            [one for one in self.branches if one.job.status == "failed"],
            [one for one in self.branches if one.job.status in ("active", "retrying")],
            [one for one in self.branches if one.job.id in critical],
        ):
            wanted.update(one.job.id for one in sort[:_SHOWN_OF_A_SORT])
        wanted.add(max(self.branches, key=lambda one: one.job.ran_s or 0.0).job.id)
        return [one for one in self.branches if one.job.id in wanted]


def _folded(parent_id: str, children: list[Branch]) -> list[Branch | _Group]:
    """Return the children with those of one name as a group, which stands where the first of them stood."""
    by_name: defaultdict[str, list[Branch]] = defaultdict(list)
    for child in children:
        by_name[child.job.name].append(child)
    folded: list[Branch | _Group] = []
    for child in children:
        alike = by_name[child.job.name]
        if len(alike) < _FOLDED_FROM:
            folded.append(child)
        elif child is alike[0]:
            folded.append(_Group(f"{parent_id}:{child.job.name}", child.job.name, alike))
    return folded
