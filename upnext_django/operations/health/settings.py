"""Settings and declarations: what ``manage.py check`` says of upnext_django."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import ERROR

from upnext_django import checks
from upnext_django.operations.health.finding import Finding, State

__all__ = ["check_settings"]

_CHECKS = (
    checks.check_settings,
    checks.check_conflicts,
    checks.check_importable,
    checks.check_tasks,
    checks.check_redis_url,
    checks.check_database,
)


def check_settings() -> Iterator[Finding]:
    """Yield a finding for each message, one for none."""
    messages = [message for check in _CHECKS for message in check()]
    if not messages:
        yield Finding(name="settings", state=State.OK, found="UPNEXT and the declarations have no mistake.")
    for message in messages:
        yield Finding(
            name="settings",
            state=State.FAIL if message.level >= ERROR else State.WARN,
            found=f"{message.msg} ({message.id})",
            fix=str(message.hint or "Correct what it names."),
        )
