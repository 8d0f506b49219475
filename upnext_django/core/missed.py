"""Which runs of a schedule are due: those that are on time, and what is left of those that were missed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from upnext_django.core.cron import Schedule
from upnext_django.exceptions import DefinitionError

__all__ = ["ON_TIME_S", "WEEK_S", "CronPlan", "MissedRunPolicy"]

#: A run that is at most so late was not missed, whatever the policy: its worker was busy for a moment.
ON_TIME_S = 5.0
#: How far CATCH_UP goes back unless it is told.
WEEK_S = 7 * 86400.0


class MissedRunPolicy(StrEnum):
    """What becomes of runs that were due while no worker was there."""

    LATEST_ONLY = "latest_only"
    CATCH_UP = "catch_up"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class CronPlan:
    """A schedule and what becomes of its missed runs.

    ``max_catch_up_seconds`` is how old a missed run may be and still run; None is no limit for LATEST_ONLY,
    and a week for CATCH_UP.
    """

    schedule: Schedule
    policy: MissedRunPolicy = MissedRunPolicy.LATEST_ONLY
    max_catch_up_seconds: float | None = None

    @classmethod
    def build(
        cls, expression: str, *, timezone: str, missed_run_policy: Any, max_catch_up_seconds: Any
    ) -> CronPlan:
        """Return the plan of these options. Raises DefinitionError for one that makes no sense."""
        try:
            policy = MissedRunPolicy(missed_run_policy)
        except ValueError:
            raise DefinitionError(
                f"missed_run_policy={missed_run_policy!r}: give one of MissedRunPolicy: "
                "LATEST_ONLY, CATCH_UP or SKIP."
            ) from None
        limit = max_catch_up_seconds
        if limit is not None and (
            isinstance(limit, bool)
            or not isinstance(limit, int | float)
            or not math.isfinite(limit)
            or limit <= 0
        ):
            raise DefinitionError(
                f"max_catch_up_seconds={limit!r}: give a number of seconds above 0, or None; "
                "missed_run_policy=MissedRunPolicy.SKIP runs nothing late."
            )
        return cls(schedule=Schedule(expression, timezone), policy=policy, max_catch_up_seconds=limit)

    def due(
        self, last: datetime, now: datetime, *, most: int, until: datetime | None = None
    ) -> list[datetime]:
        """Return the runs in (``last``, ``now``] that are to be made now, oldest first, at most ``most``.

        ``last`` is the last one that was made. After ``until`` there is none; None has no end. Ask again
        with the last of the list if it is full.
        """
        last, now = last.astimezone(UTC), now.astimezone(UTC)
        end = now if until is None else min(now, until.astimezone(UTC))
        on_time = max(last, now - timedelta(seconds=ON_TIME_S))
        match self.policy:
            case MissedRunPolicy.CATCH_UP:
                start = self._not_before(last, now, WEEK_S)
            case MissedRunPolicy.LATEST_ONLY:
                latest = self.schedule.last_until(end, after=self._not_before(last, now, None))
                if latest is not None and latest <= on_time:
                    return [latest]
                start = on_time
            case MissedRunPolicy.SKIP:
                start = on_time
        runs: list[datetime] = []
        for run in self.schedule.between(min(start, on_time), end):
            if len(runs) == most:
                break
            runs.append(run)
        return runs

    def as_json(self) -> dict[str, Any]:
        """Return what the registry of functions tells other processes."""
        return {
            "expression": self.schedule.text,
            "timezone": self.schedule.timezone,
            "missed_run_policy": self.policy.value,
            "max_catch_up_seconds": self.max_catch_up_seconds,
        }

    def _not_before(self, last: datetime, now: datetime, default_s: float | None) -> datetime:
        limit = default_s if self.max_catch_up_seconds is None else self.max_catch_up_seconds
        if limit is None:
            return last
        # A limit of thousands of years leads out of the calendar.
        return max(last, now - timedelta(seconds=min(limit, 50 * 365 * 86400.0)))
