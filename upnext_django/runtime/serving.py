"""What a Worker serves within the queues that its process was given."""

from __future__ import annotations

from collections.abc import Sequence

from upnext_django.core.definition import TaskDefinition
from upnext_django.declare.registry import registry
from upnext_django.declare.worker import Worker

__all__ = ["served_functions", "serving"]


def served_functions(worker: Worker, queues: frozenset[str] | None) -> dict[str, dict[str, TaskDefinition]]:
    """Return queue -> identity or alias -> definition of what a Worker serves, within ``queues``.

    Its tasks bring their queues, and in each of them, as in the Worker's own, runs every other
    function of this process too: ``options(queue=...)`` may have sent it there. Not those whose limits
    or cache count in their own queue alone.
    """
    served: dict[str, dict[str, TaskDefinition]] = {}
    for queue in {worker.queue} | {task.definition.queue for task in worker.tasks}:
        if queues is None or queue in queues:
            known: dict[str, TaskDefinition] = {}
            for task in registry.tasks:
                definition = task.definition
                if task.worker == worker if definition.queue == queue else definition.may_change_queue:
                    known.update(dict.fromkeys((definition.function, *definition.aliases), definition))
            if known:
                served[queue] = known
    return served


def serving(workers: Sequence[Worker], queues: frozenset[str] | None) -> list[Worker]:
    """Return those of ``workers`` that have anything to do within ``queues``; all of them for None."""
    return [worker for worker in workers if queues is None or served_functions(worker, queues)]
