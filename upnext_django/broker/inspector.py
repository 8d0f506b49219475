"""What stands in Redis right now, read only: lines of waiting jobs, who runs what, limits, the server itself.

Every read is bounded: sets are scanned up to a limit, streams are asked for their length and a few
entries. Nothing here is needed to run a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from upnext_django.broker.census import Census, take
from upnext_django.broker.clients import Clients
from upnext_django.broker.counts import (
    Limits,
    QueueCounts,
    counts_commands,
    counts_of,
    limits_command,
    limits_of,
)
from upnext_django.broker.directory import Directory
from upnext_django.broker.keys import NamespaceKeys, QueueKeys
from upnext_django.broker.lines import Line, commands_of, first_ms, lines_of, oldest_command, parse_line
from upnext_django.broker.link import Command, SyncLink
from upnext_django.broker.server import ServerFacts, read_server

__all__ = ["Inspector", "JobPlace", "RunningJob"]

_MOST_LINES = 5_000
_SCAN_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A claimed job; ``idle_ms`` is how long ago its worker proved its lease."""

    id: str
    queue: str
    function: str
    worker: str | None
    started_ms: int
    idle_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """Where one job stands; ``stream`` and ``entry`` are "" where it is in none."""

    id: str
    queue: str
    state: str
    stream: str
    entry: str
    run_at_ms: int | None
    started_ms: int | None
    worker: str | None
    duplicate_of: str | None
    cancel_asked: bool

    @property
    def line(self) -> tuple[str, str, str]:
        """The function, lane and limit key of its stream."""
        return parse_line(self.stream)


class Inspector:
    """The looking side of a Broker: ``broker.inspector``. Blocks; safe to share between threads."""

    def __init__(self, namespace: str, clients: Clients, directory: Directory) -> None:
        self._namespace = namespace
        self._names = NamespaceKeys(namespace)
        self._clients = clients
        self._directory = directory

    def now_ms(self) -> int:
        """Return the time of Redis, by which all that is read here is stamped."""
        with self._clients.sync() as link:
            seconds, micros = link.execute([b"TIME"], doing="asking for its time")
        return int(seconds) * 1000 + int(micros) // 1000

    def server(self) -> ServerFacts:
        """Return what the server tells of itself."""
        with self._clients.sync() as link:
            return read_server(link)

    def queues(self) -> list[str]:
        """Return every queue that was ever submitted to or served."""
        return self._directory.queues_sync()

    def counts(self, queue: str) -> QueueCounts:
        """Return the numbers of a queue."""
        commands = counts_commands(QueueKeys(self._namespace, queue))
        with self._clients.sync() as link:
            return counts_of(link.pipeline(commands, doing="looking at a queue"))

    def census(self, *, lines: bool = True) -> Census:
        """Return what stands in the whole namespace, in four round trips however much there is.

        Without ``lines`` it is two, and no queue has lines, dead letters and limits.
        """
        with self._clients.sync() as link:
            return take(link, self._namespace, lines=lines, most=_MOST_LINES)

    def lines(self, queue: str, *, function: str | None = None) -> tuple[list[Line], bool]:
        """Return the streams of a queue that hold jobs, and whether there are more than were looked at."""
        keys = QueueKeys(self._namespace, queue)
        pattern = b"*" if function is None else f"*:{_escape(function)}*".encode()
        with self._clients.sync() as link:
            names, more = _scan(link, keys.streams, pattern, _MOST_LINES)
            wanted = [name for name in names if function is None or parse_line(name)[0] == function]
            found = self._read_lines(link, keys, wanted)
        return [line for line in found if line.waiting or line.running], more

    def line(self, queue: str, name: str) -> Line | None:
        """Return one stream, None if there is none."""
        with self._clients.sync() as link:
            found = self._read_lines(link, QueueKeys(self._namespace, queue), [name])
        return found[0] if found else None

    def beside(self, queue: str, line: Line) -> list[Line]:
        """Return the streams that share a place in the cap with ``line``, itself among them."""
        tail = f":{line.digest}" if line.digest else ""
        names = [f"stream:{line.function}:{lane}{tail}" for lane in "012"]
        names.append(f"suspects:{line.function}{tail}")
        with self._clients.sync() as link:
            return self._read_lines(link, QueueKeys(self._namespace, queue), names)

    def oldest_ms(self, queue: str, lines: Iterable[Line]) -> int | None:
        """Return since when the job that waits longest in ``lines`` stands there, None if none waits."""
        keys = QueueKeys(self._namespace, queue)
        commands = [oldest_command(keys, line) for line in lines if line.waiting]
        if not commands:
            return None
        with self._clients.sync() as link:
            replies = link.pipeline(commands, doing="looking for the oldest job", keep_errors=True)
        return min((ms for reply in replies if (ms := first_ms(reply)) is not None), default=None)

    def ahead(self, queue: str, line: Line, entry: str, *, most: int) -> int:
        """Return how many jobs of the line are claimed before the one of ``entry``, ``most`` at most."""
        key = QueueKeys(self._namespace, queue).stream(line.name)
        with self._clients.sync() as link:
            reply = link.execute([b"XRANGE", key, f"({line.last}", f"({entry}", b"COUNT", most])
        return len(reply or ())

    def limits(self, queue: str, functions: Sequence[str]) -> dict[str, Limits]:
        """Return what bounds each of ``functions``."""
        keys = QueueKeys(self._namespace, queue)
        commands = [limits_command(keys, name) for name in functions]
        if not commands:
            return {}
        with self._clients.sync() as link:
            replies = link.pipeline(commands, doing="reading limits")
        return dict(zip(functions, map(limits_of, replies), strict=True))

    def opens_ms(self, queue: str, partition: str, limits: Limits, now_ms: int) -> int | None:
        """Return when the rate of a partition allows the next start, None if it does now."""
        if limits.rate is None or limits.window_ms is None:
            return None
        key = QueueKeys(self._namespace, queue).rate(partition)
        since = now_ms - limits.window_ms
        with self._clients.sync() as link:
            count = link.execute([b"ZCOUNT", key, f"({since}", b"+inf"])
            if count < limits.rate:
                return None
            # As many starts must leave the window as bring the count below the limit.
            place = count - limits.rate
            found = link.execute(
                [b"ZRANGEBYSCORE", key, f"({since}", b"+inf", b"WITHSCORES", b"LIMIT", place, 1]
            )
        return int(float(found[1])) + limits.window_ms if found else None

    def knows(self, queue: str, functions: Sequence[str]) -> dict[str, set[str]]:
        """Return the capabilities that know each of ``functions``."""
        keys = QueueKeys(self._namespace, queue)
        commands: list[Command] = [[b"SMEMBERS", keys.knows(name)] for name in functions]
        if not commands:
            return {}
        with self._clients.sync() as link:
            replies = link.pipeline(commands, doing="asking who knows a function")
        return {name: {one.decode() for one in reply} for name, reply in zip(functions, replies, strict=True)}

    def running(self, queue: str, lines: Iterable[Line], *, most: int) -> list[RunningJob]:
        """Return up to ``most`` claimed jobs of ``lines``, those whose lease is the oldest first."""
        keys = QueueKeys(self._namespace, queue)
        busy = [line for line in lines if line.running]
        if not busy:
            return []
        with self._clients.sync() as link:
            pending = link.pipeline(
                [[b"XPENDING", keys.stream(line.name), b"workers", b"-", b"+", most] for line in busy],
                doing="looking at running jobs",
                keep_errors=True,
            )
            rows = [
                (line, entry, idle)
                for line, reply in zip(busy, pending, strict=True)
                if not isinstance(reply, ResponseError)
                for entry, _, idle, _ in reply
            ]
            rows = sorted(rows, key=lambda row: -row[2])[:most]
            bodies = self._all(
                link, [[b"XRANGE", keys.stream(line.name), entry, entry] for line, entry, _ in rows]
            )
            held = [
                (line, body[0][1][1].decode(), idle)
                for (line, _, idle), body in zip(rows, bodies, strict=True)
                if body
            ]
            facts = self._all(
                link, [[b"HMGET", keys.job(job_id), b"worker", b"started"] for _, job_id, _ in held]
            )
        return [
            RunningJob(
                id=job_id,
                queue=queue,
                function=line.function,
                worker=worker.decode() if worker else None,
                started_ms=int(started or 0),
                idle_ms=idle,
            )
            for (line, job_id, idle), (worker, started) in zip(held, facts, strict=True)
        ]

    def place(self, job_id: str) -> JobPlace | None:
        """Return where a job stands, None if Redis does not have it."""
        wanted = b"state stream entry run_at started worker duplicate_of cancel".split()
        for queue in self._directory.candidates_sync(job_id):
            with self._clients.sync() as link:
                v = link.execute([b"HMGET", QueueKeys(self._namespace, queue).job(job_id), *wanted])
            state, stream, entry, run_at, started, worker, duplicate_of, cancel = (
                None if one is None else one.decode() for one in v
            )
            if state is None and duplicate_of is None:
                continue
            return JobPlace(
                id=job_id,
                queue=queue,
                state=state or "cancelled",
                stream=stream or "",
                entry=entry or "",
                run_at_ms=None if run_at is None else int(run_at),
                started_ms=None if started is None else int(started),
                worker=worker,
                duplicate_of=duplicate_of,
                cancel_asked=cancel is not None,
            )
        return None

    def scheduled_states(self, queue: str, *, most: int) -> dict[tuple[str, str], int]:
        """Return (state, function) -> how many of the next ``most`` jobs that run later."""
        keys = QueueKeys(self._namespace, queue)
        counts: dict[tuple[str, str], int] = {}
        with self._clients.sync() as link:
            ids = link.execute([b"ZRANGE", keys.scheduled, 0, most - 1])
            jobs = [keys.job(one.decode()) for one in ids]
            rows = self._all(link, [[b"HMGET", job, b"state", b"stream"] for job in jobs])
        for state, stream in rows:
            if state is not None and stream is not None:
                key = state.decode(), parse_line(stream.decode())[0]
                counts[key] = counts.get(key, 0) + 1
        return counts

    def live_children(self, job_id: str, *, most: int) -> list[str]:
        """Return up to ``most`` children of a job that have not ended; ids of those in Redis."""
        live: list[str] = []
        for queue in self.queues():
            keys = QueueKeys(self._namespace, queue)
            with self._clients.sync() as link:
                ids, _ = _scan(link, keys.children(job_id), b"*", _SCAN_PAGE)
                rows = self._all(link, [[b"HMGET", keys.job(one), b"state", b"completed"] for one in ids])
            live += [
                one
                for one, (state, completed) in zip(ids, rows, strict=True)
                if state is not None and completed is None
            ]
        return sorted(live)[:most]

    def dead_letters(self, queue: str, functions: Iterable[str]) -> int:
        """Return how many dead letters of ``functions`` wait for a decision."""
        keys = QueueKeys(self._namespace, queue)
        with self._clients.sync() as link:
            return sum(self._all(link, [[b"ZCARD", keys.dead(name)] for name in functions]))

    def lease_owner(self, key: str) -> str | None:
        """Return who holds a lease of the namespace, None if nobody does."""
        with self._clients.sync() as link:
            owner = link.execute([b"GET", key])
        return None if owner is None else owner.decode()

    @property
    def names(self) -> NamespaceKeys:
        return self._names

    def _read_lines(self, link: SyncLink, keys: QueueKeys, names: Sequence[str]) -> list[Line]:
        commands = list(commands_of(keys, names))
        replies = link.pipeline(commands, doing="looking at lines", keep_errors=True) if commands else []
        return lines_of(names, replies)

    def _all(self, link: SyncLink, commands: Sequence[Command]) -> list[Any]:
        return link.pipeline(commands, doing="looking at jobs") if commands else []


def _scan(link: SyncLink, key: str, pattern: bytes, most: int) -> tuple[list[str], bool]:
    """Return members of a set, and whether there are more than ``most``."""
    found: set[str] = set()
    cursor: bytes | int = 0
    while True:
        cursor, page = link.execute([b"SSCAN", key, cursor, b"MATCH", pattern, b"COUNT", _SCAN_PAGE])
        found.update(member.decode() for member in page)
        if int(cursor) == 0 or len(found) >= most:
            return sorted(found)[:most], int(cursor) != 0 or len(found) > most


def _escape(text: str) -> str:
    """Return ``text`` for a glob pattern that means just it."""
    return "".join(f"\\{char}" if char in "*?[]^\\" else char for char in text)
