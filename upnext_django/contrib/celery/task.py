"""A task with Celery's calls: what ``@shared_task`` puts in place of the function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from upnext_django.contrib.celery import exceptions
from upnext_django.contrib.celery.options import CeleryOptions
from upnext_django.contrib.celery.request import Request, current_request
from upnext_django.contrib.celery.result import AsyncResult
from upnext_django.contrib.celery.signature import Signature
from upnext_django.declare.context import get_current_context
from upnext_django.declare.task import TaskHandle

__all__ = ["Task"]

_FOR_EVER = 1_000_000
_OF_THE_TRANSPORT = frozenset(
    {"retry", "retry_policy", "compression", "ignore_result", "connection", "producer"}
)


class Task(TaskHandle[..., Any]):
    """The handle of a shared task. It is ``self`` in a function with ``bind=True``.

    ``name`` is the identity: the option ``name``, else ``"shop.tasks.send"``. ``max_retries`` and
    ``default_retry_delay`` (seconds) may be set, as in Celery; they hold in this process.
    """

    MaxRetriesExceededError = exceptions.MaxRetriesExceededError

    celery_options: CeleryOptions
    max_retries: int | None
    default_retry_delay: float

    def adopt(self, options: CeleryOptions) -> None:
        """Take Celery's part of the options; called once, by the decorator."""
        self.celery_options = options
        self.max_retries = options.max_retries
        self.default_retry_delay = options.default_retry_delay

    @property
    def request(self) -> Request:
        """The job of this task that runs here."""
        return current_request(self.name)

    # -- sending

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:  # type: ignore[override]
        """Submit a job. Inside ``transaction.atomic()`` it leaves on commit."""
        return self.apply_async(args, kwargs)

    def apply_async(  # type: ignore[override]
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        serializer: str | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Submit a job; see TaskHandle.apply_async().

        Raises NotOffered for an option that there is no equal to. Those that steer Celery's connection
        (``retry``, ``retry_policy``, ``compression``...) are taken and have no effect.
        """
        if serializer not in (None, "json"):
            raise exceptions.NotOffered(f"serializer={serializer!r}: arguments travel as JSON here.")
        for name in options:
            if name not in _OF_THE_TRANSPORT:
                raise exceptions.NotOffered(
                    f"{self.name}.apply_async({name}=...) has no equal here. It takes args, kwargs, task_id, "
                    "countdown, eta, expires, queue and priority; what follows a job is a chain, or is "
                    "submitted by a task that waits for it."
                )
        future = super().apply_async(
            tuple(args or ()),
            kwargs,
            countdown=countdown,
            eta=eta,
            expires=expires,
            queue=queue,
            priority=priority,
            task_id=task_id,
        )
        return AsyncResult(task_id or future.job_id, task=self, future=future)

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """See delay(), which leaves on commit too."""
        return self.apply_async(args, kwargs)

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """See apply_async(), which leaves on commit too."""
        return self.apply_async(*args, **kwargs)

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """Return this call, to be sent later or made part of a chain, group or chord."""
        return Signature(self, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """See s(); the call takes nothing from the one before it."""
        return Signature(self, args, kwargs, immutable=True)

    def signature(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        immutable: bool = False,
        **options: Any,
    ) -> Signature:
        """See s(); ``options`` are those of apply_async()."""
        return Signature(self, args, kwargs, options, immutable=immutable)

    subtask = signature

    def AsyncResult(self, task_id: str) -> AsyncResult:  # noqa: N802 - Celery's name
        """Return the result of a job by its id."""
        return AsyncResult(task_id, task=self)

    # -- inside a job

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
    ) -> exceptions.Retry:
        """Have the job run again: raises Retry, or returns it for the caller to raise if not ``throw``.

        It comes ``countdown`` seconds from now, at ``eta`` (aware), or after ``default_retry_delay``. Past
        ``max_retries`` (None is the task's) ``exc`` is raised, MaxRetriesExceededError without one.
        Outside a job it raises ``exc`` at once. The job keeps its arguments: other ``args`` or
        ``kwargs`` raise NotOffered.
        """
        request = self.request
        if request.called_directly:
            raise exc or exceptions.Retry("Task can be retried")
        self._refuse_other_arguments(request, args, kwargs)
        limit = self.max_retries if max_retries is None else max_retries
        if limit is not None and request.retries >= limit:
            raise exc or self.MaxRetriesExceededError(
                f"Can't retry {self.name}[{request.id}]: it was retried {request.retries} times, and "
                f"max_retries is {limit}."
            )
        after = _seconds_until(eta, self.default_retry_delay if countdown is None else countdown)
        again = exceptions.Retry(exc=exc, when=eta or after, after=after, max_retries=_FOR_EVER)
        if throw:
            raise again from exc
        return again

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Mapping[str, Any] | None = None
    ) -> None:
        """Show how far the running job is, from ``meta``'s "current" and "total".

        "status" or "message" in it is shown beside. The state stays STARTED: a job's states are fixed
        here. Raises NotOffered for a meta without those numbers, and for other jobs.
        """
        told = dict(meta or {})
        current, total = told.get("current"), told.get("total")
        if task_id not in (None, self.request.id):
            raise exceptions.NotOffered("update_state(task_id=...): only the running job tells its progress.")
        if not isinstance(current, int | float) or not isinstance(total, int | float) or not total:
            raise exceptions.NotOffered(
                f"update_state(state={state!r}, meta={meta!r}): jobs have no states of your own here. "
                'Give the numbers "current" and "total" for the progress; keep other data with '
                "upnext.get_current_context().checkpoint(...)."
            )
        message = told.get("status") or told.get("message")
        get_current_context().set_progress(100 * current / total, None if message is None else str(message))

    def _refuse_other_arguments(
        self, request: Request, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> None:
        same_args = args is None or list(args) == request.args
        if not same_args or not (kwargs is None or dict(kwargs) == request.kwargs):
            raise exceptions.NotOffered(
                f"{self.name}.retry(args=..., kwargs=...): a retry is the same job with the same arguments. "
                "Submit a new job with apply_async() instead."
            )

    # -- what has no equal

    def apply(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise NotOffered."""
        raise exceptions.NotOffered(
            f"{self.name}.apply(): call {self.__name__}(...) itself, it runs here and returns its value."
        )


def _seconds_until(eta: datetime | None, otherwise: float) -> float:
    if eta is None:
        return otherwise
    if eta.tzinfo is None:
        raise ValueError(f"eta={eta.isoformat()} has no timezone; pass an aware datetime, or countdown=.")
    return max(0.0, (eta - datetime.now(UTC)).total_seconds())
