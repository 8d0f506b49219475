"""Calls that are put together first and sent later: ``task.s()``, ``chain``, ``group`` and ``chord``.

A single call, or each of a group's, is a job as any other. Where one waits for another, a job of
run_workflow() takes the waiting over: it submits the calls as its children and holds no slot meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from upnext_django.contrib.celery.exceptions import NotOffered
from upnext_django.contrib.celery.result import AsyncResult, GroupResult
from upnext_django.contrib.celery.workflow import declared

if TYPE_CHECKING:
    from upnext_django.contrib.celery.task import Task

__all__ = ["Signature", "Step", "chain", "chord", "group", "signature"]

_OPTIONS = frozenset({"countdown", "expires", "queue", "priority", "task_id"})


class Step:
    """Something that can be sent: one call, or several. ``a | b`` sends ``b`` what ``a`` returned."""

    def plan(self) -> dict[str, Any]:
        """Return what run_workflow() needs to know of it, as JSON values."""
        raise NotImplementedError

    def delay(self, *args: Any) -> Any:
        """Send it. ``args`` go in front of the first call's own, as the value of a call before it would."""
        return self.apply_async(args)

    def apply_async(self, args: Iterable[Any] = ()) -> Any:
        """See delay()."""
        run = declared()
        return AsyncResult.of(run.submit(self.plan(), list(args)))

    def __call__(self, *args: Any) -> Any:
        """See delay()."""
        return self.delay(*args)

    def __or__(self, other: Step) -> chain:
        return chain(self, other)


class Signature(Step):
    """One call of one task. ``immutable``: it takes nothing from the call before it (``task.si()``)."""

    def __init__(
        self,
        task: Task,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
    ) -> None:
        self.task = task
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.options = dict(options or {})
        self.immutable = immutable
        for name in self.options:
            if name not in _OPTIONS:
                known = ", ".join(sorted(_OPTIONS))
                raise NotOffered(f"A signature of {task.name} cannot have {name!r}; it takes {known}.")

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{self.task.name}({', '.join(given)})"

    def set(self, **options: Any) -> Signature:
        """Return the call with other options of apply_async()."""
        return Signature(self.task, self.args, self.kwargs, self.options | options, immutable=self.immutable)

    def clone(self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Signature:
        """Return the call with ``args`` in front of its own and ``kwargs`` over them."""
        if self.immutable:
            return self
        return Signature(self.task, (*args, *self.args), {**self.kwargs, **(kwargs or {})}, self.options)

    def apply_async(
        self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult:
        """Send it; ``options`` are those of the task's apply_async()."""
        whole = self.clone(args, kwargs)
        return self.task.apply_async(whole.args, whole.kwargs, **(self.options | options))

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """See apply_async()."""
        return self.apply_async(args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function here and now, without a queue."""
        whole = self.clone(args, kwargs)
        return self.task(*whole.args, **whole.kwargs)

    def plan(self) -> dict[str, Any]:
        """See Step.plan()."""
        return {
            "task": self.task.name,
            "args": list(self.args),
            "kwargs": self.kwargs,
            "options": self.options,
            "immutable": self.immutable,
        }


class chain(Step):  # noqa: N801 - Celery's name
    """Calls one after the other, each given what the one before it returned. The value is the last one's."""

    def __init__(self, *steps: Step | Iterable[Step]) -> None:
        self.steps: list[Step] = []
        for step in _listed(steps):
            self.steps += step.steps if isinstance(step, chain) else [step]

    def plan(self) -> dict[str, Any]:
        """See Step.plan()."""
        return {"chain": [step.plan() for step in self.steps]}


class group(Step):  # noqa: N801 - Celery's name
    """Calls at the same time. The value is the list of theirs, in their order."""

    def __init__(self, *steps: Step | Iterable[Step]) -> None:
        self.steps = _listed(steps)

    def apply_async(self, args: Iterable[Any] = ()) -> GroupResult:
        """Send each as a job of its own; ``args`` go in front of the arguments of each."""
        first = tuple(args)
        return GroupResult([step.apply_async(first) for step in self.steps])

    def plan(self) -> dict[str, Any]:
        """See Step.plan()."""
        return {"group": [step.plan() for step in self.steps]}


class chord(Step):  # noqa: N801 - Celery's name
    """A group, and a call that is given the list of its values: ``chord(header)(body)``."""

    def __init__(self, header: Step | Iterable[Step], body: Step | None = None) -> None:
        self.header = header if isinstance(header, group) else group(*_listed([header]))
        self.body = body

    def __call__(self, body: Step | None = None) -> Any:
        """Send it, with ``body`` as the call at the end."""
        return chord(self.header, body or self.body).apply_async()

    def plan(self) -> dict[str, Any]:
        """See Step.plan(). Raises TypeError without a body."""
        if self.body is None:
            raise TypeError("A chord needs a body: chord(header)(body).")
        return {"chain": [self.header.plan(), self.body.plan()]}


def signature(
    task: Any, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
) -> Signature:
    """Return the call of ``task``, a shared task; its name alone is not enough here: raises NotOffered."""
    if isinstance(task, str):
        raise NotOffered(f"signature({task!r}): import the task and call its s() instead.")
    made: Signature = task.signature(args, kwargs, **options)
    return made


def _listed(steps: Iterable[Step | Iterable[Step]]) -> list[Step]:
    """Return the steps that are given one by one, or as one iterable. Raises TypeError for anything else."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Step):
            found.append(step)
        elif isinstance(step, Iterable) and not isinstance(step, str | Mapping):
            found += _listed(step)
        else:
            raise TypeError(f"{step!r} is no call to be sent; give task.s(...), a chain, a group or a chord.")
    return found
