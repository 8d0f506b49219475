"""``Celery``: for task modules that take their decorator from an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, overload

from upnext_django.contrib.celery.exceptions import NotOffered
from upnext_django.contrib.celery.result import AsyncResult
from upnext_django.contrib.celery.shared_task import shared_task
from upnext_django.contrib.celery.task import Task
from upnext_django.declare.registry import registry

__all__ = ["Celery"]


class Celery:
    """An app whose ``task`` is ``shared_task``. Settings are those of ``UPNEXT``; it has none itself."""

    def __init__(self, main: str | None = None) -> None:
        self.main = main

    @overload
    def task(self, func: Callable[..., Any], /) -> Task: ...
    @overload
    def task(self, **options: Any) -> Callable[[Callable[..., Any]], Task]: ...

    def task(self, *args: Any, **options: Any) -> Any:
        """See shared_task()."""
        return shared_task(*args, **options)

    def autodiscover_tasks(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: every ``tasks.py`` of the installed apps is imported anyway."""

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Submit a job of the task ``name``, which this process must know. Raises UnknownTask."""
        task = registry.task(name)
        if not isinstance(task, Task):
            raise NotOffered(f"{name} is no shared task; submit it with its own submit().")
        return task.apply_async(args, kwargs, **options)

    def AsyncResult(self, task_id: str) -> AsyncResult:  # noqa: N802 - Celery's name
        """Return the result of a job by its id."""
        return AsyncResult(task_id)

    def config_from_object(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise NotOffered."""
        raise NotOffered("config_from_object(): delete this line, the settings are UPNEXT in settings.py.")
