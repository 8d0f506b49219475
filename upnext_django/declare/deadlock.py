"""Waits that could never end: for a function whose every place is held by those who wait."""

from __future__ import annotations

from upnext_django.core.definition import TaskDefinition
from upnext_django.declare.current import current_job
from upnext_django.exceptions import WorkflowDeadlock

__all__ = ["refuse_circle"]


def refuse_circle(definition: TaskDefinition, digest: str, cache: str) -> None:
    """Raise WorkflowDeadlock if the running job or its ancestors keep what it is to wait for from starting.

    A job that waits keeps its place in ``max_concurrency``, so a child of the same function (and limit
    key) can only start if its ancestors leave one. A child with the cache key of an ancestor waits for that
    one to end. ``digest`` is that of the child's limit key, ``cache`` that of its cache key, "" for none.
    """
    job = current_job.get()
    if job is None:
        return
    if cache and f"cache:{definition.function}:{cache}" in job.held:
        raise WorkflowDeadlock(
            f"Job {job.id} would wait for {definition.function} for ever: of one cache_key one job runs at a "
            "time, and that is the waiting job itself or an ancestor of it. Call the function in place, or "
            "submit the child without waiting."
        )
    cap = definition.max_concurrency
    if cap is None:
        return
    if job.held.count(f"{definition.function}:{digest}") >= cap:
        raise WorkflowDeadlock(
            f"Job {job.id} would wait for {definition.function} for ever: max_concurrency={cap} allows no "
            "more, and its waiting ancestors have every place. Raise the limit, or submit the child without "
            "waiting."
        )
