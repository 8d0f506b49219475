"""Which queues there are, and which a bare job id leads to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from redis.exceptions import ResponseError

from upnext_django.broker.clients import Clients
from upnext_django.broker.keys import NamespaceKeys
from upnext_django.broker.link import AsyncLink, SyncLink, refused
from upnext_django.core.ids import is_job_id, queue_tag, tag_of

__all__ = ["Directory"]

_DOING = "registering a queue; nothing was queued"


class Directory:
    """The queues of a namespace as this process knows them; the registry in Redis has them all."""

    def __init__(self, clients: Clients, names: NamespaceKeys) -> None:
        self.announced: set[str] = set()
        self._clients = clients
        self._names = names
        self._by_tag: dict[int, set[str]] = {}

    def learn(self, queues: Iterable[str]) -> None:
        """Remember queue names, so that a bare job id leads to its queue without asking Redis."""
        for queue in queues:
            self._by_tag.setdefault(queue_tag(queue), set()).add(queue)

    async def announce(self, link: AsyncLink, queues: set[str]) -> None:
        """Tell Redis of the queues that this process has not told it of yet."""
        new = queues - self.announced
        if new:
            try:
                await link.execute([b"SADD", self._names.queues, *new], doing=_DOING)
            except ResponseError as error:
                raise refused(link.url, error, _DOING) from error
            self.announced |= new
            self.learn(new)

    def announce_sync(self, link: SyncLink, queues: set[str]) -> None:
        """See announce()."""
        new = queues - self.announced
        if new:
            try:
                link.execute([b"SADD", self._names.queues, *new], doing=_DOING)
            except ResponseError as error:
                raise refused(link.url, error, _DOING) from error
            self.announced |= new
            self.learn(new)

    async def queues(self) -> list[str]:
        """Return every queue that was ever submitted to or served in this namespace."""
        reply = await self._clients.current().execute([b"SMEMBERS", self._names.queues])
        names = sorted(name.decode() for name in reply)
        self.learn(names)
        return names

    def queues_sync(self) -> list[str]:
        """See queues()."""
        with self._clients.sync() as link:
            return self.queues_on(link)

    def queues_on(self, link: SyncLink) -> list[str]:
        """See queues(); on the caller's own connection."""
        names = sorted(name.decode() for name in link.execute([b"SMEMBERS", self._names.queues]))
        self.learn(names)
        return names

    def known(self, job_id: str) -> list[str]:
        """Return the queues known here that the id may be of; rarely more than one, none for no id."""
        return sorted(self._by_tag.get(tag_of(job_id), ())) if is_job_id(job_id) else []

    async def candidates(self, job_id: str) -> AsyncIterator[str]:
        """Yield the queues the id may be of: those known here, then, if none had it, all there are."""
        known = self.known(job_id)
        for queue in known:
            yield queue
        await self.queues()
        for queue in self.known(job_id):
            if queue not in known:
                yield queue

    def candidates_sync(self, job_id: str) -> Iterator[str]:
        """See candidates()."""
        known = self.known(job_id)
        yield from known
        self.queues_sync()
        yield from (queue for queue in self.known(job_id) if queue not in known)
