"""What a process of a pool is told at its start."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from upnext_django.core.environment import Environment
from upnext_django.declare.registry import registry
from upnext_django.exceptions import DefinitionError
from upnext_django.runtime.scope import AttemptScope

__all__ = ["Order", "default_size", "order_for", "refuse_while_importing"]

# The program itself: multiprocessing imports it in each child, by its file or its name.
_MAIN = frozenset({"__main__", "__mp_main__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a child needs to become a place where the worker's functions run.

    ``modules`` are names with the files they came from (None: importable by name alone). ``setup`` is a
    function that can be imported: it makes the child a process of the project and returns what
    surrounds each attempt; None is a worker without Django, to which ``environment`` applies.
    ``secret_variables`` name the environment variables whose values no text of a job may show; they come
    to the child with the environment.
    """

    parent: int
    modules: tuple[tuple[str, str | None], ...]
    environment: Environment
    setup: Callable[[], AttemptScope] | None
    secret_variables: tuple[str, ...] = ()


def order_for(
    environment: Environment,
    setup: Callable[[], AttemptScope] | None,
    secret_variables: Iterable[str] = (),
) -> Order:
    """Return the order for a process in which every function that this one knows can run."""
    names = {task.definition.func.__module__ for task in registry.tasks} - _MAIN
    modules = tuple((name, getattr(sys.modules.get(name), "__file__", None)) for name in sorted(names))
    return Order(
        parent=os.getpid(),
        modules=modules,
        environment=environment,
        setup=setup,
        secret_variables=tuple(secret_variables),
    )


def default_size(concurrency: int) -> int:
    """Return how many processes a pool has unless told: one for each job at once, no more than cores."""
    # Containers that bound a process to some of the machine's cores say so by the affinity.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(concurrency, cores)


def refuse_while_importing() -> None:
    """Raise DefinitionError in a process of a pool whose program starts a worker as it is imported."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise DefinitionError(
            "This program starts a worker whenever it is imported, and the processes of "
            "sync_executor=SyncExecutor.PROCESS import it. Start the worker under "
            "if __name__ == '__main__': only."
        )
