"""Everything that this process declares: workers, tasks, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from upnext_django.exceptions import UnknownTask

if TYPE_CHECKING:
    from upnext_django.declare.task import TaskHandle
    from upnext_django.declare.worker import Worker

__all__ = ["Conflict", "Registry", "registry"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """One name declared twice with different meanings; the system checks report it.

    ``kind`` is "worker" or "task". ``first`` and ``second`` are the places, ``"shop/tasks.py:12"``.
    """

    kind: str
    name: str
    first: str
    second: str

    def __str__(self) -> str:
        if self.kind == "worker":
            return (
                f"Worker({self.name!r}) at {self.second} has other options than the one at {self.first}, "
                "which holds; give both the same options, or import the first one."
            )
        return (
            f"The task {self.name} is declared at {self.first} and again at {self.second}, which nothing "
            "can run; rename one of them."
        )


class Registry:
    """The workers and tasks of one process, filled by importing the modules that declare them."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, TaskHandle[Any, Any]] = {}
        self._aliases: dict[str, TaskHandle[Any, Any]] = {}
        self._conflicts: dict[tuple[str, str], Conflict] = {}
        self._handlers: dict[str, dict[str, TaskHandle[Any, Any]]] = {}
        self._default: Worker | None = None

    def add_worker(self, worker: Worker) -> None:
        """Add ``worker``. The first of a name holds; one with other options is a conflict.

        A declaration at the same place as before (a module that was imported again) replaces it.
        """
        first = self._workers.setdefault(worker.name, worker)
        if first is worker or first.options == worker.options:
            return
        if first.source == worker.source:
            self._workers[worker.name] = worker
        else:
            self._conflicts["worker", worker.name] = Conflict(
                "worker", worker.name, first.source, worker.source
            )

    def add_task(self, task: TaskHandle[Any, Any]) -> None:
        """Add ``task`` by its identity and its aliases; see add_worker() for a second of a name."""
        definition = task.definition
        first = self._tasks.setdefault(definition.function, task)
        if first is not task:
            if first.definition.source != definition.source:
                self._conflicts["task", definition.function] = Conflict(
                    "task", definition.function, first.definition.source, definition.source
                )
                return
            self._tasks[definition.function] = task
        for alias in definition.aliases:
            other = self._tasks.get(alias) or self._aliases.get(alias)
            if other is not None and other.definition.source != definition.source:
                self._conflicts["task", alias] = Conflict(
                    "task", alias, other.definition.source, definition.source
                )
            else:
                self._aliases[alias] = task

    def add_handler(self, event: str, handler: TaskHandle[Any, Any]) -> None:
        """Have ``handler`` get what is sent to ``event``, unless another task holds its identity."""
        function = handler.definition.function
        if self._tasks.get(function) is handler:
            self._handlers.setdefault(event, {})[function] = handler

    def handlers(self, event: str) -> tuple[TaskHandle[Any, Any], ...]:
        """Return this process's handlers of ``event``, in the order of their declaration."""
        return tuple(self._handlers.get(event, {}).values())

    @property
    def events(self) -> tuple[str, ...]:
        """The events that have handlers in this process."""
        return tuple(self._handlers)

    def default_worker(self) -> Worker:
        """Return the worker of ``@upnext.task``, made when it is first asked for."""
        if self._default is None:
            from upnext_django.declare.worker import Worker

            self._default = Worker()
        return self._default

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers, in the order of their declaration."""
        return tuple(self._workers.values())

    @property
    def tasks(self) -> tuple[TaskHandle[Any, Any], ...]:
        """The tasks, in the order of their declaration, each once."""
        return tuple(self._tasks.values())

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """What was declared twice with different meanings."""
        return tuple(self._conflicts.values())

    def queues(self) -> set[str]:
        """Return the names of all queues that a worker or task of this process declares."""
        return {worker.queue for worker in self._workers.values()} | {
            task.definition.queue for task in self._tasks.values()
        }

    def find(self, name: str) -> TaskHandle[Any, Any] | None:
        """Return the task of that identity or alias, None if there is none."""
        return self._tasks.get(name) or self._aliases.get(name)

    def task(self, name: str) -> TaskHandle[Any, Any]:
        """Return the task of that identity or alias. Raises UnknownTask with the nearest names."""
        task = self.find(name)
        if task is None:
            near = get_close_matches(name, self._tasks, n=3)
            hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise UnknownTask(
                f"No task {name!r} in this process; {hint}It knows {len(self._tasks)} tasks, those whose "
                "modules were imported; Django imports tasks.py of each installed app."
            )
        return task

    @contextmanager
    def isolated(self) -> Iterator[Registry]:
        """Empty it for the block and put everything back after it; for tests."""
        kept = dict(self.__dict__)
        self.__init__()  # type: ignore[misc]
        try:
            yield self
        finally:
            self.__dict__.update(kept)


registry = Registry()
