"""The outbox: whether somebody sends what is committed."""

from __future__ import annotations

from collections.abc import Iterator

from upnext_django import conf
from upnext_django.operations import outbox
from upnext_django.operations.health.finding import Finding, State

__all__ = ["check_outbox"]

#: A row that its own process has not sent is the relay's after about a second.
_LATE_S = 30.0


def check_outbox() -> Iterator[Finding]:
    """Yield a finding for each outbox; none where ``UPNEXT["OUTBOX"]`` is off."""
    if not conf.get().outbox:
        return
    for depth in outbox.depths():
        where = f"in database {depth.database!r}"
        if depth.set_aside:
            yield Finding(
                name="outbox",
                state=State.FAIL,
                found=f"{depth.set_aside} jobs {where} were set aside: Redis or their bytes refuse them.",
                fix="Look at their errors in the admin's outbox, mend the cause, then: "
                "python manage.py upnext_relay --retry",
            )
        if depth.oldest_s is not None and depth.oldest_s > _LATE_S:
            yield Finding(
                name="outbox",
                state=State.FAIL,
                found=f"{depth.waiting} jobs {where} wait, the oldest for {depth.oldest_s:.0f} s.",
                fix="Start a worker without --no-relay, or: python manage.py upnext_relay",
            )
        elif not depth.set_aside:
            said = f"{depth.waiting} jobs {where} are on their way."
            yield Finding(name="outbox", state=State.OK, found=said)
