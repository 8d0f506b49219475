"""What an operator's action did to each job it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.contrib.messages import constants

from upnext_django.exceptions import RedisUnavailable, UpNextError
from upnext_django.operations import audit

__all__ = ["Outcome", "each"]

#: What a single job may be refused for; anything else ends an action on many.
_REFUSALS = (UpNextError, TypeError)

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one action on many jobs.

    ``verb`` is its past tense ("replayed"), ``done`` has the jobs it was done to with the id of the new
    job ("" where there is none), ``refused`` the others with the reason.
    """

    verb: str
    done: Mapping[str, str]
    refused: Mapping[str, str]

    @property
    def summary(self) -> str:
        """One sentence or two for people; the first reasons are in it."""
        count = len(self.done)
        said = f"{count} {'job' if count == 1 else 'jobs'} {self.verb}."
        if self.refused:
            reasons = list(self.refused.values())
            said += f" {len(reasons)} refused: {' '.join(reasons[:_SHOWN])}"
            if len(reasons) > _SHOWN:
                said += f" And {len(reasons) - _SHOWN} more."
        return said

    @property
    def level(self) -> int:
        """The level of Django's messages: success, warning if some were refused, error if all were."""
        if not self.refused:
            return constants.SUCCESS
        return constants.WARNING if self.done else constants.ERROR


def each(verb: str, job_ids: Iterable[str], action: Callable[[str], str]) -> Outcome:
    """Do ``action`` to each job; what is refused does not stop the rest. ``verb`` is its past tense.

    It returns the id of the new job, "" where there is none. Raises RedisUnavailable when Redis is away:
    those before are done, and an action that is asked for again refuses them or changes nothing.
    """
    done: dict[str, str] = {}
    refused: dict[str, str] = {}
    with audit.written_at_once():
        for job_id in job_ids:
            try:
                done[job_id] = action(job_id)
            except RedisUnavailable:
                raise
            except _REFUSALS as error:
                refused[job_id] = str(error)
    return Outcome(verb, done, refused)
