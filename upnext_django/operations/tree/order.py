"""The order of a tree: each job after its parent, siblings by when they could have started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from upnext_django.operations.tree.jobs import Tree, TreeJob

__all__ = ["Branch", "branches", "walk"]


@dataclass(slots=True)
class Branch:
    """A job with those below it. ``orphan``: its parent is not in the history, or it is its own ancestor."""

    job: TreeJob
    children: list[Branch]
    orphan: bool = False


def branches(tree: Tree) -> list[Branch]:
    """Return the tops of a tree: its root, or what is known of it while the root has no row.

    A job whose parent is missing, or that is its own ancestor, stands below the root as an orphan, so that
    every job is in there exactly once.
    """
    jobs = tree.jobs
    by_parent: defaultdict[str | None, list[TreeJob]] = defaultdict(list)
    lost = []
    for job in jobs.values():
        if job.id == tree.root_id:
            continue
        if job.parent_id in jobs or job.parent_id == tree.root_id:
            by_parent[job.parent_id].append(job)
        else:
            lost.append(job)
    for siblings in (*by_parent.values(), lost):
        # Ids do not say it: those of the children of one attempt differ by a hash.
        siblings.sort(key=lambda job: (job.ready, job.id))
    placed: set[str] = set()
    tops: list[Branch] = []
    if tree.root_id in jobs:
        tops.append(_grow(jobs[tree.root_id], by_parent, placed))
    else:
        tops += [_grow(job, by_parent, placed) for job in by_parent[tree.root_id]]
    below = tops[0].children if tree.root_id in jobs else tops
    below += [_grow(job, by_parent, placed, orphan=True) for job in lost]
    # What is left goes round in circles: nothing above it leads there.
    for job in jobs.values():
        if job.id not in placed:
            below.append(_grow(job, by_parent, placed, orphan=True))
    return tops


def _grow(
    top: TreeJob, by_parent: defaultdict[str | None, list[TreeJob]], placed: set[str], *, orphan: bool = False
) -> Branch:
    # Not by recursion: a chain may be longer than Python's stack is deep.
    root = Branch(top, [], orphan)
    placed.add(top.id)
    waiting = [root]
    while waiting:
        branch = waiting.pop()
        for job in by_parent.get(branch.job.id, ()):
            if job.id not in placed:
                placed.add(job.id)
                child = Branch(job, [])
                branch.children.append(child)
                waiting.append(child)
    return root


def walk(tops: list[Branch]) -> Iterator[tuple[int, Branch]]:
    """Give each branch with its depth, parents first; the depth is 0 at the top."""
    waiting = [(0, branch) for branch in reversed(tops)]
    while waiting:
        depth, branch = waiting.pop()
        yield depth, branch
        waiting.extend((depth + 1, child) for child in reversed(branch.children))
