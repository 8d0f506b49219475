"""Many jobs of one task, 200 a round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Generator, Iterator, Sequence
from itertools import islice
from types import CoroutineType
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast

from upnext_django.core.job import NewJob, SubmitReply
from upnext_django.declare import ports
from upnext_django.declare.answer import DeliveredAnswer
from upnext_django.declare.call import TaskCall
from upnext_django.declare.future import Future
from upnext_django.declare.inputs import Inputs, arguments_of
from upnext_django.declare.ports import Delivery
from upnext_django.declare.submission import Submission

__all__ = ["FutureList", "submit_many"]

BATCH: Final = 200

P = ParamSpec("P")
T = TypeVar("T")


class FutureList(list[Future[T]]):
    """The Futures of submit_many(), in the order of the inputs.

    In async code it is empty until it is awaited; ``await`` gives the list itself.
    """

    _sending: Coroutine[Any, Any, list[Future[T]]] | None = None

    def __await__(self) -> Generator[Any, Any, FutureList[T]]:
        sending, self._sending = self._sending, None
        if sending is not None:
            self.extend((yield from sending.__await__()))
        return self


def submit_many(task: TaskCall[P, T], inputs: Inputs) -> FutureList[T]:
    """Submit one job for each of ``inputs``, 200 a round trip, and return their Futures in order.

    An input is a dict of keyword arguments or a tuple of positional ones; any iterable of them. Sync code
    has sent them on return (or on commit); where an event loop runs, ``await submit_many(...)`` sends them.
    A wrong input, and a Redis that goes away, raise with a note that says how many jobs were sent before.
    """
    bulk = _Bulk(task, inputs)
    if asyncio._get_running_loop() is None:
        return FutureList(bulk.send())
    futures: FutureList[T] = FutureList()
    futures._sending = sending = bulk.send_async()
    # Python warns of a coroutine that nobody awaited, by this name.
    named = cast("CoroutineType[Any, Any, Any]", sending)
    named.__qualname__ = f"submit_many({task.definition.function})"
    return futures


class _Bulk(Generic[P, T]):
    """One call of submit_many()."""

    def __init__(self, task: TaskCall[P, T], inputs: Inputs) -> None:
        self.task = task
        self.inputs = inputs
        self.futures: list[Future[T]] = []
        self.broker = task.broker()
        self.submission = Submission(task.definition, task.overrides)

    def send(self) -> list[Future[T]]:
        sender, overrides, broker = ports.sender(), self.task.overrides, self.broker
        using, on_commit = overrides.using, overrides.on_commit
        with _Note(self.futures):
            if sender.keeps(on_commit=on_commit) or sender.defers(using=using, on_commit=on_commit):
                for batch in self.batches():
                    self.add(batch, sender.send(broker, batch, using=using, on_commit=on_commit))
                return self.futures
            building: deque[list[NewJob]] = deque()
            for replies in broker.submit_stream_sync(self.batches(building)):
                self.add(building.popleft(), Delivery("sent", replies))
        return self.futures

    async def send_async(self) -> list[Future[T]]:
        flying: asyncio.Future[list[SubmitReply]] | None = None
        sent: list[NewJob] = []
        with _Note(self.futures):
            for batch in self.batches():
                if flying is not None:
                    self.add(sent, Delivery("sent", await asyncio.shield(flying)))
                flying, sent = asyncio.ensure_future(self.broker.submit(batch)), batch
                # Let it leave before the next batch is built.
                await asyncio.sleep(0)
            if flying is not None:
                self.add(sent, Delivery("sent", await asyncio.shield(flying)))
        return self.futures

    def batches(self, building: deque[list[NewJob]] | None = None) -> Iterator[list[NewJob]]:
        """Yield the jobs of up to 200 inputs at a time; ``building`` gets each batch too."""
        make = self.submission.job
        arguments = arguments_of(self.inputs)
        while batch := [make(args, kwargs) for _, args, kwargs in islice(arguments, BATCH)]:
            if building is not None:
                building.append(batch)
            yield batch

    def add(self, batch: Sequence[NewJob], delivery: Delivery) -> None:
        """Append the Futures of a batch. Those of plainly accepted jobs need no answer."""
        replies = delivery.replies
        definition, broker, lineage = self.task.definition, self.broker, self.submission.lineage
        self.futures.extend(
            Future(
                job.id,
                definition=definition,
                broker=broker,
                lineage=lineage,
                digest=job.digest,
                cache=job.cache,
                answer=None
                if replies is not None and replies[index].winner is None
                else DeliveredAnswer(delivery, index),
            )
            for index, job in enumerate(batch)
        )


class _Note:
    """Adds to an error that passes how many jobs were sent before it."""

    def __init__(self, futures: Sequence[Any]) -> None:
        self.futures = futures

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(f"{len(self.futures):,} jobs of this submit_many() were submitted before.")
