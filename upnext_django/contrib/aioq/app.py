"""``Aarq``: the app of aioq, which declares tasks on a Worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upnext_django.contrib.aioq.backends import RedisBroker
from upnext_django.contrib.aioq.task import TaskDef, with_context
from upnext_django.core.missed import CronPlan, MissedRunPolicy
from upnext_django.declare.declaration import declare
from upnext_django.declare.registry import registry
from upnext_django.declare.worker import Worker
from upnext_django.exceptions import DefinitionError

__all__ = ["Aarq", "Aioq"]


class Aarq:
    """Declares tasks with aioq's options and defaults; ``upnext_worker`` runs them.

    ``broker`` says which Redis. ``dashboard_enabled`` has no effect: the admin is the dashboard.
    """

    def __init__(self, broker: RedisBroker, dashboard_enabled: bool = True) -> None:
        self.broker = broker
        self._worker = None if broker.url is None else Worker(redis_url=broker.url)
        self._tasks: dict[str, TaskDef] = {}

    def task(
        self,
        *,
        queue: str = "default",
        retries: int = 0,
        retry_delay: float = 5.0,
        retry_backoff: bool = False,
        retry_backoff_max: float = 600.0,
        timeout: float | None = None,
        save_result: bool = False,
        result_ttl: float = 3600,
        priority: int = 0,
        dead_letter_queue: str | None = None,
    ) -> Callable[[Callable[..., Any]], TaskDef]:
        """Return the decorator of a function whose first argument is the context.

        Times are seconds. The delay stays ``retry_delay``; with ``retry_backoff`` it doubles with each
        retry, up to ``retry_backoff_max``. Raises DefinitionError for an option that makes no sense,
        and for ``dead_letter_queue``: every job that failed for good is a dead letter already.
        """
        if dead_letter_queue is not None:
            raise DefinitionError(
                f"dead_letter_queue={dead_letter_queue!r}: every failed job is kept as a dead letter of its "
                "task, see `manage.py upnext_dlq list`; leave the option out."
            )
        options = {
            "queue": queue,
            "retries": retries,
            "retry_delay": retry_delay,
            "retry_backoff": 2.0 if retry_backoff else 1.0,
            "retry_jitter": 0.1 if retry_backoff else 0.0,
            "retry_max_delay": max(retry_delay, retry_backoff_max),
            "timeout": timeout,
            "save_result": save_result,
            "result_ttl": result_ttl,
            "priority": priority,
        }

        def decorate(fn: Callable[..., Any]) -> TaskDef:
            task = self._declare(fn, options)
            self._tasks[task.name] = task
            return task

        return decorate

    def cron(
        self, expression: str, *, queue: str = "default", name: str | None = None
    ) -> Callable[[Callable[..., Any]], TaskDef]:
        """Return the decorator of a function that runs by itself, by ``expression`` in UTC.

        Each run is a job, one however many workers there are. Raises DefinitionError.
        """
        plan = CronPlan.build(
            expression,
            timezone="UTC",
            missed_run_policy=MissedRunPolicy.LATEST_ONLY,
            max_catch_up_seconds=None,
        )
        return lambda fn: self._declare(fn, {"queue": queue, "name": name}, cron=plan)

    def get_task(self, name: str) -> TaskDef | None:
        """Return the task of that identity, None if this app has none."""
        return self._tasks.get(name)

    @property
    def task_names(self) -> list[str]:
        """The identities of its tasks."""
        return list(self._tasks)

    def _declare(
        self, fn: Callable[..., Any], options: dict[str, Any], *, cron: CronPlan | None = None
    ) -> TaskDef:
        task = declare(
            self._worker or registry.default_worker(),
            with_context(fn, self.broker),
            options,
            kind="task" if cron is None else "cron",
            handles=(TaskDef, TaskDef),
            cron=cron,
        )
        assert isinstance(task, TaskDef)
        task.app, task.fn = self, fn
        return task


#: aioq's newer name of the same.
Aioq = Aarq
