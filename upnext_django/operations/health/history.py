"""The history: does a mirror write it, how far is it behind, do dead letters pile up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.operations.dead_letters import open_letters
from upnext_django.operations.health.database import unapplied
from upnext_django.operations.health.finding import Finding, State

__all__ = ["LATE_S", "Lag", "check_dead_letters", "check_mirror", "lag"]

#: What of the history is older than this is late.
LATE_S: Final = 60.0
_COUNTED: Final = 10_000
_START: Final = "Start a worker without --no-mirror, or python manage.py upnext_mirror."
_FASTER: Final = "It falls behind: look at its log and at the load of the database."


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the history is behind Redis: ``late_s`` is the age of the oldest of ``events`` to be written.

    ``fullest`` are those of the queue that has most. ``owner`` is the mirror that writes, None if none does.
    """

    events: int
    fullest: int
    late_s: float
    owner: str | None

    @property
    def is_behind(self) -> bool:
        """Whether who reads the history does not see what is."""
        return self.events > 0 and (self.owner is None or self.late_s > LATE_S)

    @property
    def said(self) -> str:
        who = f"{self.owner} writes the history" if self.owner else "No mirror is running"
        return f"{who}; {self.events} events wait, the oldest for {self.late_s:.0f} s."

    @property
    def way_out(self) -> str:
        return _START if self.owner is None else _FASTER


def lag() -> Lag | None:
    """Return how far the history is behind, None where none is kept; few looks, however many queues.

    Raises RedisUnavailable.
    """
    if not conf.get().history:
        return None
    census = get_broker().inspector.census(lines=False)
    events = [queue.counts.events for queue in census.queues]
    return Lag(
        events=sum(events),
        fullest=max(events, default=0),
        late_s=census.mirror_lag_s,
        owner=census.mirror,
    )


def check_mirror() -> Iterator[Finding]:
    """Raises RedisUnavailable if Redis is not there."""
    now = lag()
    if now is None:
        return
    if now.owner is None:
        state = State.FAIL if now.events else State.WARN
        yield Finding(name="mirror", state=state, found=now.said, fix=now.way_out)
    elif now.is_behind:
        yield Finding(name="mirror", state=State.WARN, found=now.said, fix=now.way_out)
    else:
        yield Finding(name="mirror", state=State.OK, found=now.said)
    fullest, settings = now.fullest, conf.get()
    share = fullest / settings.max_events
    backlog = f"{fullest} events wait in the fullest queue, of MAX_EVENTS={settings.max_events}."
    if share < 0.1:
        yield Finding(name="events", state=State.OK, found=backlog)
    else:
        yield Finding(
            name="events",
            state=State.FAIL if share > 0.5 else State.WARN,
            found=backlog,
            fix="Past it submits raise Backpressure. Have a mirror run and its database answer.",
        )


def check_dead_letters() -> Iterator[Finding]:
    """Raises DatabaseError if the database does not answer."""
    settings = conf.get()
    if not settings.history or unapplied(settings.database):
        return
    now, day = timezone.now(), timedelta(days=1)
    # The newest of each span first, by the index on the time: of very many only so many are counted.
    letters = open_letters().order_by("-failed_at")
    today = letters.filter(failed_at__gte=now - day)[:_COUNTED].count()
    before = letters.filter(failed_at__gte=now - 2 * day, failed_at__lt=now - day)[:_COUNTED].count()
    found = f"{_capped(today)} open ones of the last 24 hours, {_capped(before)} of the 24 hours before."
    if today <= before < _COUNTED:
        yield Finding(name="dead letters", state=State.OK, found=found)
    else:
        yield Finding(
            name="dead letters",
            state=State.WARN,
            found=found,
            fix="python manage.py upnext_dlq list; then replay or discard them.",
        )


def _capped(count: int) -> str:
    return f"{_COUNTED:,}+" if count >= _COUNTED else f"{count:,}"
