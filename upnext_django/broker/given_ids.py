"""The directory of user-given ids: from any text to the id of a job.

It lies under ``un:{NS}:``, on another slot than the queues, so no job script touches it and an entry is
written in a step of its own. An entry that leads nowhere does no harm, a job that its user cannot find
does: a new entry is written before the submit, an old one is replaced after it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from upnext_django.broker.clients import Clients
from upnext_django.broker.keys import NamespaceKeys
from upnext_django.broker.link import AsyncLink, SyncLink
from upnext_django.core.given import given_id_in, may_be_given_id
from upnext_django.core.job import NewJob, SubmitReply

__all__ = ["GivenIds"]

#: How long an entry is kept past the moment its job may run. After it the history leads to the job.
_KEPT_MS = 7 * 86_400_000
_BEFORE = "entering a task_id; nothing was queued"
_AFTER = "entering a task_id; its job was queued all the same"


class GivenIds:
    """Reads and writes the directory of one namespace."""

    def __init__(self, clients: Clients, names: NamespaceKeys) -> None:
        self._clients = clients
        self._names = names

    async def announce(self, link: AsyncLink, jobs: Sequence[NewJob]) -> set[str]:
        """Enter those given ids that have no entry, and return them: of jobs about to be submitted."""
        return {
            given
            for given, job in _given(jobs)
            if await link.execute([*self._entry(given, job.id, job), b"NX"], doing=_BEFORE) is not None
        }

    def announce_sync(self, link: SyncLink, jobs: Sequence[NewJob]) -> set[str]:
        """See announce()."""
        return {
            given
            for given, job in _given(jobs)
            if link.execute([*self._entry(given, job.id, job), b"NX"], doing=_BEFORE) is not None
        }

    async def settle(
        self, link: AsyncLink, jobs: Sequence[NewJob], replies: dict[str, SubmitReply], new: set[str]
    ) -> None:
        """Have the entries lead to the jobs that Redis took, or to those whose key was there first.

        ``new`` are the ids that announce() entered: those are right unless the job was a duplicate.
        """
        for command in self._corrections(jobs, replies, new):
            await link.execute(command, doing=_AFTER)

    def settle_sync(
        self, link: SyncLink, jobs: Sequence[NewJob], replies: dict[str, SubmitReply], new: set[str]
    ) -> None:
        """See settle()."""
        for command in self._corrections(jobs, replies, new):
            link.execute(command, doing=_AFTER)

    async def lead_to(self, link: AsyncLink, job: NewJob) -> None:
        """Have the entry of the job's given id, if it has one, lead to it."""
        for given, new in _given([job]):
            await link.execute(self._entry(given, new.id, new), doing=_AFTER)

    def lead_to_sync(self, link: SyncLink, job: NewJob) -> None:
        """See lead_to()."""
        for given, new in _given([job]):
            link.execute(self._entry(given, new.id, new), doing=_AFTER)

    async def find(self, text: str) -> str | None:
        """Return the id of the job that a user calls ``text``, None if the directory has none."""
        if not may_be_given_id(text):
            return None
        return _text(await self._clients.current().execute([b"GET", self._names.given_id(text)]))

    def find_sync(self, text: str) -> str | None:
        """See find()."""
        if not may_be_given_id(text):
            return None
        with self._clients.sync() as link:
            return _text(link.execute([b"GET", self._names.given_id(text)]))

    def _corrections(
        self, jobs: Sequence[NewJob], replies: dict[str, SubmitReply], new: set[str]
    ) -> list[list[bytes | str | int]]:
        commands = []
        for given, job in _given(jobs):
            winner = replies[job.id].winner
            if winner is not None or given not in new:
                commands.append(self._entry(given, winner or job.id, job))
        return commands

    def _entry(self, given: str, job_id: str, job: NewJob) -> list[bytes | str | int]:
        if job.at_ms is not None:
            waits_ms = max(0, job.at_ms - time.time_ns() // 1_000_000)
        else:
            waits_ms = job.delay_ms or 0
        return [b"SET", self._names.given_id(given), job_id, b"PX", waits_ms + _KEPT_MS]


def _given(jobs: Sequence[NewJob]) -> list[tuple[str, NewJob]]:
    pairs = ((given_id_in(job.key), job) for job in jobs if job.key is not None)
    return [(given, job) for given, job in pairs if given is not None]


def _text(reply: bytes | None) -> str | None:
    return None if reply is None else reply.decode()
