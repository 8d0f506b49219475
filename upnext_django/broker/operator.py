"""What an operator may ask of Redis: replay, discard, pause, resume, and orders to a worker."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from upnext_django.broker import lease
from upnext_django.broker.clients import Clients
from upnext_django.broker.directory import Directory
from upnext_django.broker.given_ids import GivenIds
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.broker.link import Command
from upnext_django.broker.script import Call
from upnext_django.broker.scripts import discard, pause, replay, report
from upnext_django.broker.scripts.discard import Discard, DiscardReply
from upnext_django.broker.scripts.replay import ReplayReply
from upnext_django.broker.scripts.report import Report
from upnext_django.core.environment import Environment
from upnext_django.core.job import NewJob

__all__ = ["Operator", "Order"]

#: As long as an order to end a job is kept: a worker that is away for longer is gone.
_ORDER_MS = 3_600_000


class Order(StrEnum):
    """What a worker process can be told."""

    QUIET = "quiet"  # take no more work, but stay and let what runs end
    RESUME = "resume"  # take work again
    STOP = "stop"  # as SIGTERM


class Operator:
    """The operator's side of a Broker: ``broker.operator``."""

    def __init__(self, environment: Environment, clients: Clients, directory: Directory) -> None:
        self._environment = environment
        self._clients = clients
        self._directory = directory
        self._names = NamespaceKeys(environment.namespace)
        self._given_ids = GivenIds(clients, NamespaceKeys(environment.namespace))

    def queues_sync(self) -> list[str]:
        """Return every queue that was ever submitted to or served."""
        return self._directory.queues_sync()

    async def replay(self, job_id: str, new: NewJob) -> ReplayReply:
        """Make ``new`` from a failed or cancelled job of its queue; safe to call again with the same.

        An id that a user gave the old job leads to the new one from then on.
        """
        link = self._clients.current()
        reply = await link.call(self._replay_call(job_id, new))
        if reply.made:
            await self._given_ids.lead_to(link, new)
        return reply

    def replay_sync(self, job_id: str, new: NewJob) -> ReplayReply:
        """See replay()."""
        with self._clients.sync() as link:
            reply = link.call(self._replay_call(job_id, new))
            if reply.made:
                self._given_ids.lead_to_sync(link, new)
        return reply

    async def discard(self, queue: str, letter: Discard) -> DiscardReply:
        """Give a dead letter of ``queue`` up; safe to call again."""
        call = discard.call(self._keys(queue), [letter], history=self._environment.history)
        return (await self._clients.current().call(call))[0]

    def discard_sync(self, queue: str, letter: Discard) -> DiscardReply:
        """See discard()."""
        call = discard.call(self._keys(queue), [letter], history=self._environment.history)
        with self._clients.sync() as link:
            return link.call(call)[0]

    async def pause(self, queue: str, function: str | None, *, paused: bool) -> bool:
        """Pause or resume a function in one queue, None for all of it; True if that changed anything."""
        return await self._clients.current().call(pause.call(self._keys(queue), function, paused=paused))

    def pause_sync(self, queue: str, function: str | None, *, paused: bool) -> bool:
        """See pause()."""
        with self._clients.sync() as link:
            return link.call(pause.call(self._keys(queue), function, paused=paused))

    def paused_queues_sync(self) -> list[str]:
        """Return the names of the queues that are paused as a whole."""
        queues = self.queues_sync()
        commands: list[Command] = [[b"EXISTS", self._keys(queue).paused] for queue in queues]
        return [queue for queue, is_paused in zip(queues, self._all(commands), strict=True) if is_paused]

    def paused_functions_sync(self, functions: Iterable[str]) -> list[str]:
        """Return which of ``functions`` are paused, in whatever queue."""
        queues = self.queues_sync()
        pairs = [(name, queue) for name in functions for queue in queues]
        commands: list[Command] = [
            [b"HEXISTS", self._keys(queue).function(name), b"paused"] for name, queue in pairs
        ]
        found = zip(pairs, self._all(commands), strict=True)
        return sorted({name for (name, _), is_paused in found if is_paused})

    def order_sync(self, worker_id: str, queue: str, order: Order) -> None:
        """Tell a worker process something through its inbox of ``queue``; safe to call again."""
        inbox = self._keys(queue).inbox(worker_id)
        with self._clients.sync() as link:
            # Both or neither: the inbox of a worker that has just ended must not stay for ever.
            link.pipeline(
                [
                    [b"MULTI"],
                    [b"XADD", inbox, b"*", b"order", order.value],
                    [b"PEXPIRE", inbox, _ORDER_MS],
                    [b"EXEC"],
                ],
                doing="telling a worker",
            )

    def take_turn_sync(self, name: str, owner: str, *, ttl_ms: int) -> bool:
        """Take the turn ``name``, which ends by itself after ``ttl_ms``; False if somebody has it."""
        with self._clients.sync() as link:
            key = self._names.turn(name)
            return link.execute([b"SET", key, owner, b"NX", b"PX", ttl_ms], repeat=False) is not None

    def give_turn_back_sync(self, name: str, owner: str) -> None:
        """Let another have the turn now; changes nothing if it is not ``owner``'s any more."""
        with self._clients.sync() as link:
            lease.drop(link, self._names.turn(name), owner)

    def report_sync(self, queue: str, news: Report) -> str:
        """Add to what a running attempt says of itself; "OK", "MISSING" or "STALE"."""
        call = report.call(self._keys(queue), [news], history=self._environment.history)
        with self._clients.sync() as link:
            return link.call(call)[0]

    def claim_once_sync(self, digest: str, claim: bytes, *, ttl_ms: int) -> bytes:
        """Keep ``claim`` under ``digest`` if nothing is there, and return what is there then."""
        with self._clients.sync() as link:
            command: Command = [b"SET", self._names.once(digest), claim, b"NX", b"GET", b"PX", ttl_ms]
            # Sent twice, the second finds what the first has written.
            found: bytes | None = link.execute(command)
        return claim if found is None else found

    def settle_once_sync(self, digest: str, claim: bytes) -> None:
        """Replace what claim_once_sync() has kept, for the rest of its time."""
        with self._clients.sync() as link:
            link.execute([b"SET", self._names.once(digest), claim, b"XX", b"KEEPTTL"])

    def drop_once_sync(self, digest: str, claim: bytes) -> None:
        """Forget what claim_once_sync() has kept, if it is still ``claim``."""
        with self._clients.sync() as link:
            lease.drop(link, self._names.once(digest), claim)

    def _all(self, commands: list[Command]) -> list[int]:
        if not commands:
            return []
        with self._clients.sync() as link:
            return list(link.pipeline(commands))

    def _replay_call(self, job_id: str, new: NewJob) -> Call[ReplayReply]:
        return replay.call(
            self._keys(new.queue),
            job_id,
            new,
            history=self._environment.history,
            max_events=self._environment.max_events,
        )

    def _keys(self, queue: str) -> QueueKeys:
        return QueueKeys(self._environment.namespace, queue)
