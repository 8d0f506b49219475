"""The critical path: the jobs that decided when the workflow ended."""

from __future__ import annotations

from upnext_django.operations.tree.order import Branch

__all__ = ["critical_path"]


def critical_path(top: Branch) -> frozenset[str]:
    """Return the ids of the jobs of which any, had it been quicker, would have let ``top`` end earlier.

    Going back from a job's end, the child that ended last before a moment is what the job waited for there;
    before that child was ready, the one that ended last before that. The history does not say which
    children a job waited for, so one that was only submitted and ended in time counts as well. A job
    that has not ended is on its own path alone.
    """
    found = {top.job.id}
    waiting = [top]
    while waiting:
        branch = waiting.pop()
        end = branch.job.completed
        if end is None:
            continue
        ended = [child for child in branch.children if child.job.completed is not None]
        ended.sort(key=_completed, reverse=True)
        for child in ended:
            if _completed(child) <= end and child.job.id not in found:
                found.add(child.job.id)
                waiting.append(child)
                end = min(end, child.job.ready)
    return frozenset(found)


def _completed(branch: Branch) -> float:
    return branch.job.completed or 0.0
