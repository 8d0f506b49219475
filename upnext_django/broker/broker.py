"""What the rest of the package may ask of Redis."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from upnext_django.broker import live
from upnext_django.broker.batcher import Batcher
from upnext_django.broker.batches import batches
from upnext_django.broker.clients import Clients
from upnext_django.broker.directory import Directory
from upnext_django.broker.events import EventReader
from upnext_django.broker.feed import Feed
from upnext_django.broker.given_ids import GivenIds
from upnext_django.broker.handlers import Handlers
from upnext_django.broker.inspector import Inspector
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.broker.link import SyncLink, pack
from upnext_django.broker.mailbox import Fields, Mailbox
from upnext_django.broker.operator import Operator
from upnext_django.broker.schedules import Schedules
from upnext_django.broker.script import Call
from upnext_django.broker.scripts import cancel, invalidate, submit, watch
from upnext_django.broker.scripts.cancel import CancelAnswer, CancelReply
from upnext_django.broker.scripts.watch import Watch
from upnext_django.broker.url import mask
from upnext_django.broker.waiter import Waiter
from upnext_django.core.environment import Environment
from upnext_django.core.job import LiveJob, NewJob, SubmitReply
from upnext_django.exceptions import JobNotFound

__all__ = ["Broker"]

_NOTHING_QUEUED = "submitting; nothing was queued"
_NOTHING_DROPPED = "dropping a cached value"


class Broker:
    """One Redis and namespace, seen from this process. Connects at its first use, not before.

    Methods ending in ``_sync`` block; the others are for the running loop. Safe to share between
    threads and loops; a forked child starts over with connections of its own.
    """

    def __init__(self, environment: Environment, *, url: str | None = None) -> None:
        address = url or environment.redis_url
        if address is None:
            raise ValueError("A broker needs a Redis URL; Environment.redis_url is None and none was given.")
        self.environment = environment
        self.url = address
        self.url_masked = mask(address)
        self.clients = Clients(address)
        self.names = NamespaceKeys(environment.namespace)
        self.directory = Directory(self.clients, self.names)
        self.operator = Operator(environment, self.clients, self.directory)
        self.inspector = Inspector(environment.namespace, self.clients, self.directory)
        self.schedules = Schedules(environment.namespace, self.clients, self.directory)
        self.handlers = Handlers(self.clients, self.names)
        self.feed = Feed(self.clients, self.names)
        self.given_ids = GivenIds(self.clients, self.names)
        self._keys: dict[str, QueueKeys] = {}
        self._batchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Batcher]] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        self._start_waiting()
        _every.add(self)

    def _start_waiting(self) -> None:
        """Take an address of our own for replies. A forked child's must differ from its parent's."""
        self.client_id = secrets.token_hex(8)
        self.mailbox = Mailbox(self.url, self._nudge)
        self._waiters: dict[str, list[Waiter]] = {}
        self._events: EventReader | None = None

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._batchers = weakref.WeakKeyDictionary()
        self._start_waiting()

    # -- where things are

    def keys(self, queue: str) -> QueueKeys:
        keys = self._keys.get(queue)
        if keys is None:
            keys = self._keys[queue] = QueueKeys(self.environment.namespace, queue)
        return keys

    # -- submitting

    async def submit(self, jobs: Sequence[NewJob]) -> list[SubmitReply]:
        """Send jobs, one round trip per queue and 200 of them. Safe to call again with the same jobs."""
        link = self.clients.current()
        await self.directory.announce(link, {job.queue for job in jobs})
        given = await self.given_ids.announce(link, jobs)
        replies: dict[str, SubmitReply] = {}
        for batch in batches(jobs):
            answers = await link.call(self._submit_call(batch), doing=_NOTHING_QUEUED)
            replies.update(zip((job.id for job in batch), answers, strict=True))
        await self.given_ids.settle(link, jobs, replies, given)
        return [replies[job.id] for job in jobs]

    def submit_sync(self, jobs: Sequence[NewJob]) -> list[SubmitReply]:
        """See submit()."""
        with self.clients.sync() as link:
            if len(jobs) == 1 and jobs[0].key is None and jobs[0].queue in self.directory.announced:
                return link.call(self._submit_call(jobs), doing=_NOTHING_QUEUED)
            self.directory.announce_sync(link, {job.queue for job in jobs})
            given = self.given_ids.announce_sync(link, jobs)
            replies: dict[str, SubmitReply] = {}
            for batch in batches(jobs):
                answers = link.call(self._submit_call(batch), doing=_NOTHING_QUEUED)
                replies.update(zip((job.id for job in batch), answers, strict=True))
            self.given_ids.settle_sync(link, jobs, replies, given)
        return [replies[job.id] for job in jobs]

    def submit_stream_sync(self, batches: Iterable[Sequence[NewJob]]) -> Iterator[list[SubmitReply]]:
        """Send batches (each of at most 200 jobs of one queue) and yield their answers in order.

        The next batch is taken from the iterable while Redis works on the last, so building jobs and
        storing them overlap. An error stops it; what was sent before stays submitted.
        """
        iterator = iter(batches)
        first = next(iterator, None)
        if first is None:
            return
        # The first call goes the whole way round: it opens the connection and loads the script.
        yield self.submit_sync(first)
        with self.clients.sync() as link:
            flying: Call[list[SubmitReply]] | None = None
            for batch in iterator:
                if batch[0].queue not in self.directory.announced:
                    if flying is not None:
                        yield _landed(link, flying)
                        flying = None
                    yield self.submit_sync(batch)
                    continue
                call = self._submit_call(batch)
                packed = pack(call.command())
                if flying is not None:
                    yield _landed(link, flying)
                link.send(packed)
                flying = call
            if flying is not None:
                yield _landed(link, flying)

    def submit_soon(self, job: NewJob) -> asyncio.Future[SubmitReply]:
        """Schedule a send on the running loop; it is done even if the loop ends before it."""
        batchers = self._batchers.setdefault(asyncio.get_running_loop(), {})
        batcher = batchers.get(job.queue)
        if batcher is None:
            # One for each queue: what one refuses must not fail the submits to another.
            batcher = batchers[job.queue] = Batcher(self.submit, self.submit_sync)
        return batcher.add(job)

    def _submit_call(self, jobs: Sequence[NewJob]) -> Call[list[SubmitReply]]:
        for job in jobs:
            if job.reply is not None:
                self.listen(job.queue)
                break
        return submit.call(
            self.keys(jobs[0].queue),
            jobs,
            history=self.environment.history,
            max_events=self.environment.max_events,
        )

    # -- looking

    async def job(self, job_id: str) -> LiveJob | None:
        """Return the job as Redis holds it, None if it does not.

        Here and below ``job_id`` may also be an id that a user gave.
        """
        live = await self._job(job_id)
        if live is None and (given := await self.given_ids.find(job_id)) is not None:
            live = await self._job(given)
        return live

    def job_sync(self, job_id: str) -> LiveJob | None:
        """See job()."""
        live = self._job_sync(job_id)
        if live is None and (given := self.given_ids.find_sync(job_id)) is not None:
            live = self._job_sync(given)
        return live

    async def _job(self, job_id: str) -> LiveJob | None:
        link = self.clients.current()
        async for queue in self.directory.candidates(job_id):
            fields = await link.execute([b"HGETALL", self.keys(queue).job(job_id)])
            if fields:
                return live.parse(job_id, queue, fields)
        return None

    def _job_sync(self, job_id: str) -> LiveJob | None:
        for queue in self.directory.candidates_sync(job_id):
            with self.clients.sync() as link:
                fields = link.execute([b"HGETALL", self.keys(queue).job(job_id)])
            if fields:
                return live.parse(job_id, queue, fields)
        return None

    # -- cancelling

    async def cancel(self, job_id: str, *, tree: bool = False) -> bool:
        """Cancel a job, and with ``tree`` its live descendants; True if any of them was live."""
        replies = await self._cancel_tree(job_id, tree)
        if _missed(replies) and (given := await self.given_ids.find(job_id)) is not None:
            replies = await self._cancel_tree(given, tree)
        return any(_hit(reply) for reply in replies)

    def cancel_sync(self, job_id: str, *, tree: bool = False) -> bool:
        """See cancel()."""
        replies = self._cancel_tree_sync(job_id, tree)
        if _missed(replies) and (given := self.given_ids.find_sync(job_id)) is not None:
            replies = self._cancel_tree_sync(given, tree)
        return any(_hit(reply) for reply in replies)

    async def _cancel_tree(self, job_id: str, tree: bool) -> list[CancelReply]:
        """Return what the job answered, then each of its descendants if ``tree`` asks for them."""
        replies: list[CancelReply] = []
        level = {job_id}
        while level:
            replies += [await self._cancel_one(one) for one in level]
            level = {c for one in level for c in await self._children(one)} if tree else set()
        return replies

    def _cancel_tree_sync(self, job_id: str, tree: bool) -> list[CancelReply]:
        """See _cancel_tree()."""
        replies: list[CancelReply] = []
        level = {job_id}
        while level:
            replies += [self._cancel_one_sync(one) for one in level]
            level = {c for one in level for c in self._children_sync(one)} if tree else set()
        return replies

    async def _cancel_one(self, job_id: str) -> CancelReply:
        link = self.clients.current()
        async for queue in self.directory.candidates(job_id):
            call = cancel.call(self.keys(queue), [job_id], history=self.environment.history)
            reply = (await link.call(call))[0]
            if reply.winner:
                return await self._cancel_one(reply.winner)
            if reply.answer is not CancelAnswer.MISSING:
                return reply
        return CancelReply(CancelAnswer.MISSING)

    def _cancel_one_sync(self, job_id: str) -> CancelReply:
        """See _cancel_one()."""
        for queue in self.directory.candidates_sync(job_id):
            with self.clients.sync() as link:
                call = cancel.call(self.keys(queue), [job_id], history=self.environment.history)
                reply = link.call(call)[0]
            if reply.winner:
                return self._cancel_one_sync(reply.winner)
            if reply.answer is not CancelAnswer.MISSING:
                return reply
        return CancelReply(CancelAnswer.MISSING)

    async def _children(self, job_id: str) -> set[str]:
        link = self.clients.current()
        found: set[str] = set()
        for queue in await self.directory.queues():
            members = await link.execute([b"SMEMBERS", self.keys(queue).children(job_id)])
            found.update(member.decode() for member in members)
        return found

    def _children_sync(self, job_id: str) -> set[str]:
        found: set[str] = set()
        for queue in self.directory.queues_sync():
            with self.clients.sync() as link:
                members = link.execute([b"SMEMBERS", self.keys(queue).children(job_id)])
            found.update(member.decode() for member in members)
        return found

    # -- caches

    async def invalidate(self, queue: str, functions: Sequence[str], digest: str) -> bool:
        """Drop what ``functions`` keep under a cache key; True if there was a value. Safe to call again."""
        call = invalidate.call(self.keys(queue), functions, digest)
        return await self.clients.current().call(call, doing=_NOTHING_DROPPED)

    def invalidate_sync(self, queue: str, functions: Sequence[str], digest: str) -> bool:
        """See invalidate()."""
        with self.clients.sync() as link:
            return link.call(invalidate.call(self.keys(queue), functions, digest), doing=_NOTHING_DROPPED)

    # -- waiting

    def expect(self, job_id: str) -> Waiter:
        """Wait for a job in this process only; Redis is told by ``NewJob.reply`` or ``watch()``."""
        waiter = Waiter(self, job_id)
        with self._lock:
            self._waiters.setdefault(job_id, []).append(waiter)
        for queue in self.directory.known(job_id):
            self.listen(queue)
        return waiter

    async def watch(self, waiter: Waiter) -> None:
        """Have Redis tell this process; resolves the waiter at once if the job has ended."""
        link = self.clients.current()
        async for queue in self.directory.candidates(waiter.job_id):
            self.listen(queue)
            seen = await link.call(watch.call(self.keys(queue), waiter.job_id, self.client_id))
            if seen.winner:
                other = self._follow(waiter, seen.winner)
                return await self.watch(other)
            if not seen.missing:
                return self._seen(waiter, seen)
        given = await self.given_ids.find(waiter.job_id)
        if given is None or given == waiter.job_id:
            return waiter.resolve(None, JobNotFound(waiter.job_id))
        return await self.watch(self._follow(waiter, given))

    def watch_sync(self, waiter: Waiter) -> None:
        """See watch()."""
        for queue in self.directory.candidates_sync(waiter.job_id):
            self.listen(queue)
            with self.clients.sync() as link:
                seen = link.call(watch.call(self.keys(queue), waiter.job_id, self.client_id))
            if seen.winner:
                other = self._follow(waiter, seen.winner)
                return self.watch_sync(other)
            if not seen.missing:
                return self._seen(waiter, seen)
        given = self.given_ids.find_sync(waiter.job_id)
        if given is None or given == waiter.job_id:
            return waiter.resolve(None, JobNotFound(waiter.job_id))
        return self.watch_sync(self._follow(waiter, given))

    @property
    def is_awaited(self) -> bool:
        """Whether anybody in this process waits for a job of it."""
        return bool(self._waiters)

    def forget(self, waiter: Waiter) -> None:
        with self._lock:
            waiters = self._waiters.get(waiter.job_id)
            if waiters and waiter in waiters:
                waiters.remove(waiter)
                if not waiters:
                    del self._waiters[waiter.job_id]

    def _follow(self, waiter: Waiter, winner: str) -> Waiter:
        """Wait for the job that ``waiter``'s id leads to (its key won, or it was given the id)."""
        if waiter.follows is None or waiter.follows.job_id != winner:
            other = waiter.follows = self.expect(winner)
            other.when_done(lambda: waiter.resolve(*other.answer))
        return waiter.follows

    def _seen(self, waiter: Waiter, seen: Watch) -> None:
        if seen.ending is not None:
            self.forget(waiter)
            waiter.resolve(seen.ending)

    def listen(self, queue: str) -> None:
        """Read this process's replies from ``queue``; before a job is sent with ``reply``."""
        self.mailbox.open(self.keys(queue).replies(self.client_id), self._deliver)

    def _deliver(self, fields: Fields) -> None:
        job_id = fields[b"j"].decode()
        with self._lock:
            waiters = self._waiters.pop(job_id, ())
        if waiters:
            ending = watch.decode_ending(job_id, fields[b"s"], fields[b"t"], fields[b"d"])
            for waiter in waiters:
                waiter.resolve(ending)

    def _nudge(self, key: str) -> None:
        with self.clients.sync() as link:
            link.pipeline([[b"XADD", key, b"*", b"nudge", b"1"], [b"PEXPIRE", key, 60_000]])

    # -- registries

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return what the workers last said of themselves, by id."""
        return self._registry(self.names.workers)

    def functions(self) -> dict[str, dict[str, Any]]:
        """Return the functions that workers know, by identity."""
        return self._registry(self.names.functions)

    def _registry(self, key: str) -> dict[str, dict[str, Any]]:
        with self.clients.sync() as link:
            flat = link.execute([b"HGETALL", key])
        return {name.decode(): json.loads(text) for name, text in zip(flat[::2], flat[1::2], strict=True)}

    @property
    def events(self) -> EventReader:
        """The mirror's reader of the event streams; one for its one thread."""
        if self._events is None:
            self._events = EventReader(self.url, self.environment.namespace)
        return self._events

    def close(self) -> None:
        """Close what is idle. Waiters that are left never wake."""
        self.mailbox.close()
        self.clients.close()
        if self._events is not None:
            self._events.close()

    def ping_sync(self) -> None:
        """Raise RedisUnavailable if Redis does not answer."""
        with self.clients.sync() as link:
            link.execute([b"PING"], doing="asking whether it is there")


def _landed(link: SyncLink, call: Call[list[SubmitReply]]) -> list[SubmitReply]:
    try:
        return call.parse(link.receive())
    except NoScriptError:
        return link.call(call, doing=_NOTHING_QUEUED)


def _missed(replies: Sequence[CancelReply]) -> bool:
    return replies[0].answer is CancelAnswer.MISSING


def _hit(reply: CancelReply) -> bool:
    return reply.answer in (CancelAnswer.CANCELLED, CancelAnswer.ASKED)


_every: weakref.WeakSet[Broker] = weakref.WeakSet()


def _after_fork() -> None:
    for broker in list(_every):
        broker._after_fork()


os.register_at_fork(after_in_child=_after_fork)
