"""When a schedule runs: cron expressions in a time zone, with its changes of the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from upnext_django.core.expression import parse_expression
from upnext_django.exceptions import DefinitionError, ScheduleExhausted

__all__ = ["Schedule"]

_SECOND = timedelta(seconds=1)
#: The longest distance of two runs: a 29 February on a given day of the week, across 2100.
_HORIZON_YEARS = 41


class Schedule:
    """The runs of a cron expression; see ``parse_expression()`` for what it may be.

    ``timezone`` is an IANA name. A time of day that the clock skips (the gap when summer time begins) runs
    at the gap's end, one that it shows twice runs the first time. An expression whose second, minute or hour
    is an interval (``*/5``) goes by the time that passes: it runs through the repeated hour twice, and if
    it runs in every hour or each so many hours it has nothing to make up for after a gap.
    Raises DefinitionError for an expression or a zone that makes no sense.
    """

    __slots__ = ("_expression", "text", "timezone", "zone")

    def __init__(self, text: str, timezone: str = "UTC") -> None:
        self._expression = parse_expression(text)
        self.text = text
        self.timezone = timezone
        self.zone = _zone(timezone)

    def __repr__(self) -> str:
        return f"Schedule({self.text!r}, {self.timezone!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self.text, self.timezone) == (other.text, other.timezone)

    def __hash__(self) -> int:
        return hash((self.text, self.timezone))

    def next_after(self, moment: datetime) -> datetime:
        """Return the first run strictly after ``moment``.

        ``moment`` is aware; the result is in the schedule's zone. Raises ScheduleExhausted if none follows.
        """
        local = moment.astimezone(self.zone)
        wall = local.replace(tzinfo=None, microsecond=0, fold=0)
        before, after = self._offsets(wall)
        shown_again = False
        if before > after:
            change = self._change(wall, before, after)
            if local.fold == 0:
                if self._expression.repeats:
                    run = self._wall_after(wall)
                    if run < change + before:
                        return self._at(run - before)
                    wall, shown_again = change + after - _SECOND, True
            elif self._expression.repeats:
                shown_again = True
            else:
                wall = change + before - _SECOND
        return self._first_after(wall, shown_again=shown_again)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the runs after ``after`` up to and including ``until``, in order."""
        # Two times of one zone compare by the clock's hands, which lie in a repeated hour.
        until = until.astimezone(UTC)
        run = self.next_after(after)
        while run <= until:
            yield run
            run = self.next_after(run)

    def last_until(self, until: datetime, *, after: datetime) -> datetime | None:
        """Return the last run in (``after``, ``until``], None if there is none.

        It halves the time between them, so years of runs each second take no longer than a few.
        """
        low = after.astimezone(UTC)
        high = end = until.astimezone(UTC)
        if self.next_after(low) > end:
            return None
        while high - low > _SECOND:
            middle = low + (high - low) / 2
            if self.next_after(middle) <= end:
                low = middle
            else:
                high = middle
        return self.next_after(low)

    def _first_after(self, wall: datetime, *, shown_again: bool) -> datetime:
        """Return the first run after ``wall``; ``shown_again`` if the clock shows it again."""
        while True:
            run = self._wall_after(wall)
            before, after = self._offsets(run)
            if before >= after:
                return self._at(run - (after if shown_again and self._same_day(wall, run) else before))
            change = self._change(run, before, after)
            if not self._expression.every_hour:
                return self._at(change)
            wall = change + after - _SECOND

    def _same_day(self, wall: datetime, run: datetime) -> bool:
        # A repeated hour of half a year later is another one.
        return run - wall < timedelta(days=2)

    def _wall_after(self, wall: datetime) -> datetime:
        """Return the first matching time of day after ``wall``, on a clock that nobody ever changes."""
        # Imported late: programs that only submit never need it.
        from croniter import CroniterBadDateError, croniter

        # Without a zone croniter has no daylight saving to get wrong; it runs "30 1 * * *" twice in autumn.
        runs = croniter(
            self._expression.fields,
            wall,
            second_at_beginning=True,
            max_years_between_matches=_HORIZON_YEARS,
        )
        try:
            run: datetime = runs.get_next(datetime)
        except (CroniterBadDateError, OverflowError) as error:
            raise ScheduleExhausted(
                f"cron {self.text!r} has no run after {wall.isoformat()} within {_HORIZON_YEARS} years; "
                "write a day that its months have."
            ) from error
        return run

    def _at(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone(self.zone)

    def _offsets(self, wall: datetime) -> tuple[timedelta, timedelta]:
        """Return the zone's offsets for the first and the second time that the clock shows ``wall``.

        The first is larger where a time comes twice, smaller where it is skipped.
        """
        first = wall.replace(tzinfo=self.zone).utcoffset()
        second = wall.replace(tzinfo=self.zone, fold=1).utcoffset()
        assert first is not None
        assert second is not None
        return first, second

    def _change(self, wall: datetime, before: timedelta, after: timedelta) -> datetime:
        """Return when the clock is changed over ``wall``, in UTC without a zone."""
        low, high = sorted((wall - before, wall - after))
        while high - low > _SECOND:
            middle = low + (high - low) // 2
            middle -= timedelta(microseconds=middle.microsecond)
            if self._at(middle).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise DefinitionError(
            f"timezone={name!r} is no time zone here; write an IANA name like 'Europe/Berlin', and install "
            "the package tzdata where the system has none."
        ) from error
