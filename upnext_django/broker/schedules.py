"""What workers and operators tell each other of the schedules that are rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from upnext_django.broker.clients import Clients
from upnext_django.broker.directory import Directory
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.broker.link import Command
from upnext_django.broker.scripts import revise
from upnext_django.broker.scripts.revise import Revision

__all__ = ["Schedules"]


class Schedules:
    """``broker.schedules``. All of it blocks."""

    def __init__(self, namespace: str, clients: Clients, directory: Directory) -> None:
        self._namespace = namespace
        self._names = NamespaceKeys(namespace)
        self._clients = clients
        self._directory = directory

    def version_sync(self) -> int:
        """Return the version of the rows that workers keep a copy of; another one is a reason to read."""
        with self._clients.sync() as link:
            return int(link.execute([b"GET", self._names.config], doing="looking for changes") or 0)

    def bump_sync(self) -> None:
        """Have every worker read the rows again."""
        with self._clients.sync() as link:
            link.execute([b"INCR", self._names.config], doing="telling workers of a change")

    def revise_sync(self, revision: Revision, *, queues: Collection[str]) -> None:
        """Refuse ticks of older revisions in ``queues``, and wherever the schedule has ticked."""
        seen = self.last_ticks_sync([revision.key]).get(revision.key, {})
        with self._clients.sync() as link:
            for queue in sorted({*queues, *seen}):
                link.call(revise.call(self._keys(queue), revision), doing="telling of a changed schedule")

    def last_ticks_sync(self, keys: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return key -> queue -> last tick in ms, of the schedules and queues that have one."""
        queues = self._directory.queues_sync() if keys else []
        if not queues:
            return {}
        commands: list[Command] = [[b"HMGET", self._keys(queue).ticks, *keys] for queue in queues]
        with self._clients.sync() as link:
            rows = link.pipeline(commands, doing="looking for the last ticks")
        found: dict[str, dict[str, int]] = {}
        for queue, row in zip(queues, rows, strict=True):
            for key, last in zip(keys, row, strict=True):
                if last is not None:
                    found.setdefault(key, {})[queue] = int(last)
        return found

    def _keys(self, queue: str) -> QueueKeys:
        return QueueKeys(self._namespace, queue)
