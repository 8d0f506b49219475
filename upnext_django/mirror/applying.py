"""A batch of moves into the database, whatever one of them holds."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from upnext_django.core.job import JobMove
from upnext_django.mirror.fold import fold
from upnext_django.mirror.rows import Changes, CursorRow
from upnext_django.mirror.writing import REFUSALS, write

__all__ = ["apply"]

logger = logging.getLogger("upnext.mirror")


def apply(
    moves: Sequence[tuple[str, JobMove]],
    *,
    changes: Changes | None = None,
    using: str = "default",
    counted: Sequence[CursorRow] = (),
) -> int:
    """Write what ``moves``, pairs of a queue and a move, change; return how many could not be read.

    ``changes`` is what fold() gave for them, None to fold them here. ``counted`` is where counting stands
    afterwards: see write().

    A job that the database refuses is found by halving the batch and left out with all its moves,
    so that it never holds up the others. Each is logged; such a batch is not counted. Raises what
    write() raises when the database is away.
    """
    if changes is None:
        changes = fold(moves)
    try:
        write(changes, using=using, counted=counted)
    except REFUSALS as error:
        job_ids = [row.id for row in changes.jobs]
        if len(job_ids) == 1:
            logger.exception(
                "The database refuses job %s (%s); its history misses these %d moves.",
                job_ids[0],
                error,
                len(moves),
                extra={"job_id": job_ids[0]},
            )
            return len(moves)
        first = frozenset(job_ids[: len(job_ids) // 2])
        return sum(
            apply([pair for pair in moves if (pair[1].job_id in first) is half], using=using)
            for half in (True, False)
        )
    for poison in changes.poison:
        logger.error(
            "The data of move %d (%s) of job %s cannot be read: %s. Its status is kept, the rest is skipped.",
            poison.seq,
            poison.move,
            poison.job_id,
            poison.problem,
            extra={"job_id": poison.job_id},
        )
    return len(changes.poison)
