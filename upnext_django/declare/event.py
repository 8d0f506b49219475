"""Events: one send, a job for each handler that this process or any worker knows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import NewJob
from upnext_django.core.names import check_name
from upnext_django.core.stand_in import stand_in
from upnext_django.declare import ports
from upnext_django.declare.answer import DeliveredAnswer
from upnext_django.declare.context import Context
from upnext_django.declare.declaration import CtxFunction, TaskKeywords, declare
from upnext_django.declare.future import Future
from upnext_django.declare.options import NO_OVERRIDES, Overrides, TaskOptions
from upnext_django.declare.ports import Broker, Delivery
from upnext_django.declare.registry import registry
from upnext_django.declare.submission import Lineage, Submission
from upnext_django.declare.task import AsyncTaskHandle, SyncTaskHandle, TaskHandle
from upnext_django.exceptions import DefinitionError, RedisUnavailable

if TYPE_CHECKING:
    from upnext_django.declare.worker import Worker

__all__ = [
    "AsyncEventHandler",
    "Event",
    "EventCall",
    "EventHandler",
    "HandlerDecorator",
    "SyncEventHandler",
    "event",
]

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("upnext.events")

#: A handler's queue is its own, and a send waits for nobody.
_NOT_OF_EVENTS = ("queue", "wait_timeout")


class EventCall:
    """An event with the options of its sends. A send makes one job for each handler, all or none.

    Its data are keyword arguments. A handler gets those that it has parameters for, one with
    ``**kwargs`` gets all. Every call raises TypeError, naming the handler, where one of them requires
    an argument that the data lack, and ArgumentError for what cannot be sent, before anything leaves.
    The handlers are those of this process and those that workers announced in the last 30 days; what a
    starting worker announces is known everywhere 2 seconds later. Without any the list is empty.
    """

    def __init__(self, worker: Worker, name: str, overrides: Overrides) -> None:
        self.worker = worker
        self.name = name
        self.overrides = overrides

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def options(self, **options: Unpack[TaskOptions]) -> EventCall:
        """Return this event with options for all jobs of the sends made through it; see TaskOptions.

        Raises TypeError for ``queue`` and ``wait_timeout``, which make no sense here, and as
        TaskHandle.options() does.
        """
        for name in _NOT_OF_EVENTS:
            if name in options:
                raise TypeError(
                    f"event.options() has no {name!r}: each handler's job goes to the handler's own queue, "
                    "and a send waits for no result. Give @event.on a queue, or wait for the Futures."
                )
        return EventCall(self.worker, self.name, self.overrides.merged(options))

    async def send(self, /, **data: Any) -> list[Future[Any]]:
        """Send ``data`` to every handler and return the Futures of their jobs once Redis has them."""
        return await self._send(data, self.overrides)

    def send_sync(self, /, **data: Any) -> list[Future[Any]]:
        """See send(). Inside ``transaction.atomic()`` the jobs leave on commit, as submits do."""
        return self._send_now(data, self.overrides)

    async def send_idempotent(self, key: str, /, **data: Any) -> list[Future[Any]]:
        """Send, but not to handlers that have a live job of ``key``: their Futures lead to that one."""
        return await self._send(data, self.overrides.merged({"key": key}))

    def send_idempotent_sync(self, key: str, /, **data: Any) -> list[Future[Any]]:
        """See send_idempotent() and send_sync()."""
        return self._send_now(data, self.overrides.merged({"key": key}))

    def send_named_sync(self, data: Mapping[str, Any], named: Callable[[NewJob], NewJob]) -> list[str]:
        """Send ``data`` as send_sync() does, with the ids that ``named`` gives the jobs; return those.

        Sent again with the same ids it makes no second jobs.
        """
        return [future.job_id for future in self._send_now(data, self.overrides, named)]

    async def _send(self, data: Mapping[str, Any], overrides: Overrides) -> list[Future[Any]]:
        broker = ports.broker(self.worker.redis_url)
        fan = _Fan(self, await broker.handlers.of(self.name), data, overrides)
        if not fan.jobs:
            return []
        with fan:
            # Shielded: who stops waiting must not leave the event with half of its handlers.
            replies = await asyncio.shield(broker.submit(fan.jobs))
        return fan.futures(broker, Delivery("sent", replies))

    def _send_now(
        self,
        data: Mapping[str, Any],
        overrides: Overrides,
        named: Callable[[NewJob], NewJob] | None = None,
    ) -> list[Future[Any]]:
        broker = ports.broker(self.worker.redis_url)
        fan = _Fan(self, self._announced(broker, overrides), data, overrides)
        if named is not None:
            fan.jobs = [named(job) for job in fan.jobs]
        if not fan.jobs:
            return []
        using, on_commit = overrides.using, overrides.on_commit
        with fan:
            delivery = ports.sender().send(broker, fan.jobs, using=using, on_commit=on_commit)
        return fan.futures(broker, delivery)

    def handlers_sync(self) -> list[TaskDefinition]:
        """Return what a send would reach: the handlers of this process and those that workers announced."""
        return _handlers(self, self._announced(ports.broker(self.worker.redis_url), self.overrides))

    def _announced(self, broker: Broker, overrides: Overrides) -> Mapping[str, bytes]:
        """Return the announced handlers; without Redis those last known, if the jobs can be kept."""
        try:
            return broker.handlers.of_sync(self.name)
        except RedisUnavailable:
            known = broker.handlers.last(self.name)
            if known is None or not ports.sender().keeps(on_commit=overrides.on_commit):
                raise
            return known


class Event(EventCall):
    """Something that happens, by its name. Two of one name are the same event, in every process.

    ``worker`` runs the handlers that are declared through it. Raises DefinitionError for a name that is
    not 1 to 64 letters, digits, dots, underscores and hyphens.
    """

    def __init__(self, worker: Worker, name: str) -> None:
        super().__init__(worker, check_name("event", name), NO_OVERRIDES)

    @property
    def on(self) -> HandlerDecorator:
        """The decorator that declares a handler: ``@event.on`` or ``@event.on(retries=3)``.

        It takes the options of ``@worker.task``, and bare also a handler of another event, which then
        handles both. Raises DefinitionError, naming the function, for an option that makes no sense and
        for parameters that cannot be given by name.
        """
        return cast("HandlerDecorator", partial(_handle, self))


def event(name: str) -> Event:
    """Return the event ``name``; its handlers are declared on the worker of ``@upnext.task``."""
    return Event(registry.default_worker(), name)


class EventHandler(TaskHandle[P, T]):
    """A function that handles an event: a task that a send submits. Its own sends are typed.

    ``event`` is the event it was declared on. ``send()`` sends that event, to all its handlers, with
    arguments that fit this one's signature; ``submit()`` makes a job of this handler alone.
    """

    event: Event

    async def send(self, *args: P.args, **kwargs: P.kwargs) -> list[Future[Any]]:
        """Send the event to all its handlers; see EventCall.send()."""
        return await self.event.send(**self._named(args, kwargs))

    def send_sync(self, *args: P.args, **kwargs: P.kwargs) -> list[Future[Any]]:
        """See send() and EventCall.send_sync()."""
        return self.event.send_sync(**self._named(args, kwargs))

    async def send_idempotent(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> list[Future[Any]]:
        """See send() and EventCall.send_idempotent()."""
        return await self.event.send_idempotent(key, **self._named(args, kwargs))

    def send_idempotent_sync(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> list[Future[Any]]:
        """See send_idempotent() and send_sync()."""
        return self.event.send_idempotent_sync(key, **self._named(args, kwargs))

    def _named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name; raises TypeError for a wrong one."""
        signature = self.definition.signature
        signature.bind(args, kwargs)
        return {**dict(zip(signature.names, args, strict=False)), **kwargs}


class AsyncEventHandler(EventHandler[P, T], AsyncTaskHandle[P, T]):
    """The handle of an ``async def``."""


class SyncEventHandler(EventHandler[P, T], SyncTaskHandle[P, T]):
    """The handle of a ``def``."""


class HandlerDecorator(Protocol):
    """``@event.on`` bare, and with options, which give a decorator again."""

    @overload
    def __call__(self, func: AsyncEventHandler[P, T], /) -> AsyncEventHandler[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, func: SyncEventHandler[P, T], /) -> SyncEventHandler[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, func: CtxFunction[P, Coroutine[Any, Any, T]], /) -> AsyncEventHandler[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, func: Callable[Concatenate[Context, P], Coroutine[Any, Any, T]], /
    ) -> AsyncEventHandler[P, T]: ...
    @overload
    def __call__(self, func: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncEventHandler[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, func: CtxFunction[P, T], /) -> SyncEventHandler[P, T]: ...
    @overload
    def __call__(self, func: Callable[Concatenate[Context, P], T], /) -> SyncEventHandler[P, T]: ...
    @overload
    def __call__(self, func: Callable[P, T], /) -> SyncEventHandler[P, T]: ...
    @overload
    def __call__(self, /, **options: Unpack[TaskKeywords]) -> HandlerDecorator: ...


def _handle(event: Event, func: Any = None, /, **options: Any) -> Any:
    if func is None:
        return partial(_handle, event, **options)
    if isinstance(func, TaskHandle):
        if not isinstance(func, EventHandler) or options:
            raise DefinitionError(
                f"{func.name} ({func.definition.source}) is a {func.definition.kind} already: a second "
                "decorator cannot change that or its options. Declare a function of its own for the event, "
                "which calls this one; a handler without new options handles a second event too."
            )
        registry.add_handler(event.name, func)
        return func
    handles = (AsyncEventHandler, SyncEventHandler)
    handler = cast(
        "EventHandler[Any, Any]", declare(event.worker, func, options, kind="event", handles=handles)
    )
    nameless = handler.definition.signature.nameless
    if nameless:
        raise DefinitionError(
            f"{handler.name} ({handler.definition.source}): an event's data come by name, which its "
            f"parameter {nameless[0]!r} cannot take. Leave out the / or the *args, or take **kwargs."
        )
    handler.event = event
    registry.add_handler(event.name, handler)
    return handler


class _Fan:
    """The jobs of one send. As a context it tells an error that passes what may have left before it."""

    def __init__(
        self, call: EventCall, announced: Mapping[str, bytes], data: Mapping[str, Any], overrides: Overrides
    ) -> None:
        self.event = call.name
        self.jobs: list[NewJob] = []
        self._made: list[tuple[TaskDefinition, Lineage]] = []
        for definition in _handlers(call, announced):
            submission = Submission(definition, overrides)
            self.jobs.append(submission.job((), definition.signature.taken(data)))
            self._made.append((definition, submission.lineage))
        if not self.jobs:
            logger.debug("event %s: it has no handler, so nothing was sent", self.event)

    def futures(self, broker: Broker, delivery: Delivery) -> list[Future[Any]]:
        return [
            Future(
                job.id,
                definition=definition,
                broker=broker,
                lineage=lineage,
                answer=DeliveredAnswer(delivery, index),
                digest=job.digest,
                cache=job.cache,
            )
            for index, (job, (definition, lineage)) in enumerate(zip(self.jobs, self._made, strict=True))
        ]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        queues = list(dict.fromkeys(job.queue for job in self.jobs))
        if error is not None and len(queues) > 1:
            error.add_note(
                f"The event {self.event!r} goes to the queues {', '.join(queues)}, one after the other: "
                "the first of them may have got their jobs. send_idempotent() repeats without doubling those."
            )


def _handlers(call: EventCall, announced: Mapping[str, bytes]) -> list[TaskDefinition]:
    """Return the handlers of this process, then those only others know; of a renamed one the new name."""
    own = [
        handler.definition
        for handler in registry.handlers(call.name)
        if handler.worker.redis_url == call.worker.redis_url
    ]
    here = {definition.function for definition in own}
    others = [stand_in(announced[function]) for function in sorted(announced.keys() - here)]
    renamed = {alias for definition in (*own, *others) for alias in definition.aliases}
    return [definition for definition in (*own, *others) if definition.function not in renamed]
