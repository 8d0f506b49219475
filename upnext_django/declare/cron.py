"""A task that runs by itself, at the times of a cron expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from upnext_django.core.missed import CronPlan, MissedRunPolicy
from upnext_django.declare import ports
from upnext_django.declare.declaration import TaskDecorator, declare
from upnext_django.declare.task import TaskHandle

if TYPE_CHECKING:
    from upnext_django.declare.worker import Worker

__all__ = ["cron_decorator"]


def cron_decorator(
    worker: Callable[[], Worker],
    expression: str,
    *,
    timezone: str | None,
    missed_run_policy: MissedRunPolicy,
    max_catch_up_seconds: float | None,
    options: dict[str, Any],
) -> TaskDecorator:
    """Return the decorator behind ``Worker.cron()``; what makes no sense in the schedule is refused here."""
    plan = CronPlan.build(
        expression,
        timezone=ports.timezone() if timezone is None else timezone,
        missed_run_policy=missed_run_policy,
        max_catch_up_seconds=max_catch_up_seconds,
    )

    def decorate(func: Any, /) -> TaskHandle[Any, Any]:
        return declare(worker(), func, options, kind="cron", cron=plan)

    return cast("TaskDecorator", decorate)
