"""Folding the next transaction's moves while the database works on this one's rows."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor

from upnext_django.core.job import JobMove
from upnext_django.mirror.fold import fold
from upnext_django.mirror.rows import Changes

__all__ = ["folded"]

Moves = Sequence[tuple[str, JobMove]]


def folded(groups: Sequence[Moves], *, ahead: bool) -> Generator[Changes, None, None]:
    """Yield what fold() gives for each of ``groups``, in order.

    With ``ahead`` the next one is folded in a thread while the caller is busy with the last, for callers
    that wait for others meanwhile. Who breaks off waits for the one that is being folded.
    """
    if not ahead or len(groups) < 2:
        yield from map(fold, groups)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="upnext-fold") as thread:
        coming = thread.submit(fold, groups[0])
        for group in groups[1:]:
            changes = coming.result()
            coming = thread.submit(fold, group)
            yield changes
        yield coming.result()
