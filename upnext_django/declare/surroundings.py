"""What surrounds jobs that nothing of ours depends on: traces, error reports.

Nobody surrounds them unless something was added, and then nothing is asked of anybody for a job.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import LiveJob
from upnext_django.core.outcome import Outcome
from upnext_django.declare.current import RunningJob

__all__ = ["Around", "Surrounding", "add", "around", "carried", "ended_unseen", "is_anybody", "remove"]

logger = logging.getLogger("upnext.hooks")


class Surrounding(Protocol):
    """Knows of submits, attempts and jobs that were lost. What it raises is logged and changes nothing."""

    def submitting(self, definition: TaskDefinition, queue: str) -> Mapping[str, str]:
        """Return what the jobs carry to their attempts; asked once a submit, however many jobs it makes."""

    def entered(self, job: RunningJob, carries: Mapping[str, str]) -> Any:
        """An attempt begins, in its own thread or task; return what left() is to be given."""

    def failed(self, token: Any, job: RunningJob, error: BaseException, outcome: Outcome) -> None:
        """The function raised; ``outcome`` says whether it runs again, and has the texts that may be kept."""

    def left(self, token: Any, job: RunningJob, outcome: Outcome | None) -> None:
        """The attempt ends, hooks and all, where it began; None: it was handed back, or is another's."""

    def ended_unseen(self, job: LiveJob) -> None:
        """A job has failed for good because what ran it died; told where that was noticed.

        At most once: whoever noticed it may die before it has told. Any thread, and a worker that may not
        know the function.
        """


_all: tuple[Surrounding, ...] = ()


def add(one: Surrounding) -> None:
    """Have ``one`` surround all jobs of this process; twice is once."""
    global _all
    if one not in _all:
        _all = (*_all, one)


def remove(one: Surrounding) -> None:
    """Undo add()."""
    global _all
    _all = tuple(other for other in _all if other is not one)


def carried(definition: TaskDefinition, queue: str) -> dict[str, str] | None:
    """Return what jobs carry for all who surround them, None for nothing."""
    if not _all:
        return None
    found: dict[str, str] = {}
    for one in _all:
        try:
            found.update(one.submitting(definition, queue))
        except Exception:
            logger.exception("%r failed at a submit of %s", one, definition.function)
    return found or None


def around(job: RunningJob, carries: Mapping[str, str] | None) -> Around | None:
    """Enter what surrounds an attempt; None where nothing does."""
    return Around(job, carries or {}, _all) if _all else None


def is_anybody() -> bool:
    """Return whether anything surrounds jobs."""
    return bool(_all)


def ended_unseen(job: LiveJob) -> None:
    """Tell all that ``job`` has failed for good though no attempt could say so."""
    for one in _all:
        try:
            one.ended_unseen(job)
        except Exception:
            logger.exception("%r failed at the loss of job %s", one, job.id)


class Around:
    """What was entered for one attempt."""

    def __init__(
        self, job: RunningJob, carries: Mapping[str, str], all_of_them: tuple[Surrounding, ...]
    ) -> None:
        self._job = job
        self._entered: list[tuple[Surrounding, Any]] = []
        for one in all_of_them:
            try:
                self._entered.append((one, one.entered(job, carries)))
            except Exception:
                logger.exception("%r failed at the start of job %s", one, job.id)

    def failed(self, error: BaseException, outcome: Outcome) -> None:
        """Tell all that the function raised."""
        for one, token in self._entered:
            try:
                one.failed(token, self._job, error, outcome)
            except Exception:
                logger.exception("%r failed at the failure of job %s", one, self._job.id)

    def leave(self, outcome: Outcome | None) -> None:
        """Leave all, the last one first."""
        for one, token in reversed(self._entered):
            try:
                one.left(token, self._job, outcome)
            except Exception:
                logger.exception("%r failed at the end of job %s", one, self._job.id)
