"""One queue on the real server, driven by the scripts' typed calls, and the hands that move its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from upnext_django.broker.keys import QueueKeys
from upnext_django.broker.link import Command, SyncLink
from upnext_django.broker.scripts import (
    cancel,
    claim,
    crash,
    discard,
    invalidate,
    pause,
    recover,
    register,
    renew,
    replay,
    report,
    revise,
    settle,
    submit,
    tick,
    watch,
)
from upnext_django.broker.scripts.cancel import CancelReply
from upnext_django.broker.scripts.claim import Claim, ClaimedJob
from upnext_django.broker.scripts.discard import Discard, DiscardReply
from upnext_django.broker.scripts.recover import Recovered
from upnext_django.broker.scripts.register import Limit
from upnext_django.broker.scripts.renew import RenewReply
from upnext_django.broker.scripts.replay import ReplayReply
from upnext_django.broker.scripts.report import Report
from upnext_django.broker.scripts.revise import Revision
from upnext_django.broker.scripts.settle import MOST_HITS, Settlement
from upnext_django.broker.scripts.tick import Mark, Tick, Ticks
from upnext_django.broker.scripts.watch import Watch
from upnext_django.core.capability import capability_of
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, JobMove, NewJob, SubmitReply
from upnext_django.core.lifecycle import JobStatus
from upnext_django.core.moves import parse_move

__all__ = ["FUNCTION", "HOUR_MS", "LEASE_MS", "QUEUE", "Dump", "Lab", "new_job"]

QUEUE = "mail"
FUNCTION = "shop.tasks.send"
HOUR_MS = 3_600_000
#: Longer than any test runs: a lease ends only when a test makes its entry old.
LEASE_MS = 300_000
Dump = dict[str, Any]

_READ: dict[bytes, list[bytes]] = {
    b"hash": [b"HGETALL"],
    b"set": [b"SMEMBERS"],
    b"zset": [b"ZRANGE", b"0", b"-1", b"WITHSCORES"],
    b"list": [b"LRANGE", b"0", b"-1"],
    b"string": [b"GET"],
    b"stream": [b"XINFO", b"STREAM", b"FULL", b"COUNT", b"0"],
}


def new_job(function: str = FUNCTION, *, queue: str = QUEUE, id: str | None = None, **options: Any) -> NewJob:
    """Return a job to submit; ``options`` are fields of NewJob."""
    envelope = options.pop("envelope", None) or msgspec.json.encode(Envelope(function=function))
    return NewJob(id=id or new_job_id(queue), queue=queue, function=function, envelope=envelope, **options)


class Lab:
    """Calls scripts as a worker or a submitter would, and reads what they left.

    ``history`` False is ``UPNEXT["HISTORY"]=False``: no events.
    """

    def __init__(self, url: str, namespace: str, *, queue: str = QUEUE, history: bool = True) -> None:
        self.keys = QueueKeys(namespace, queue)
        self.link = SyncLink(url, timeout_s=10.0)
        self.history = history

    def close(self) -> None:
        self.link.close()

    # -- the scripts

    def register(self, *functions: str, announce: bool = False, **limits: Limit) -> bool:
        """Register functions; with ``announce`` their limits (FUNCTION's is ``limit``) hold from now on."""
        known = functions or (FUNCTION,)
        return self.link.call(
            register.call(
                self.keys,
                capability_of(known),
                known,
                limits=dict.fromkeys(known, limits["limit"]) if limits else None,
                announce=announce,
            )
        )

    def pause(self, function: str | None = FUNCTION, *, paused: bool = True) -> bool:
        return self.link.call(pause.call(self.keys, function, paused=paused))

    def submit(self, *jobs: NewJob, max_events: int = 1_000_000) -> list[SubmitReply]:
        return self.link.call(submit.call(self.keys, jobs, history=self.history, max_events=max_events))

    def claim(
        self,
        wanted: int = 1,
        *,
        functions: Iterable[str] = (FUNCTION,),
        worker: str = "w1",
        lanes: str = "012",
        suspects: bool = True,
        slots: int | None = None,
    ) -> Claim:
        return self.link.call(
            claim.call(
                self.keys,
                worker=worker,
                capability=capability_of(functions),
                wanted=wanted,
                slots=slots,
                lanes=lanes,
                suspects=suspects,
                history=self.history,
            )
        )

    def settle(self, job_id: str, token: int, target: JobStatus, data: bytes = b"{}", **options: Any) -> str:
        one = Settlement(job_id, token, target, data, **options)
        return self.link.call(settle.call(self.keys, [one], history=self.history))[0]

    def settle_all(self, *settlements: Settlement, most_hits: int = MOST_HITS) -> list[str]:
        return self.link.call(settle.call(self.keys, settlements, history=self.history, most_hits=most_hits))

    def renew(self, *held: tuple[str, int]) -> list[RenewReply]:
        return self.link.call(renew.call(self.keys, held))

    def recover(self, *, max_crashes: int = 3) -> int:
        return self.recovered(max_crashes=max_crashes).taken

    def recovered(self, *, max_crashes: int = 3) -> Recovered:
        return self.link.call(
            recover.call(
                self.keys,
                lease_ms=LEASE_MS,
                max_crashes=max_crashes,
                dead_ttl_ms=90 * 24 * HOUR_MS,
                history=self.history,
            )
        )

    def crash(self, job_id: str, token: int, *, max_crashes: int = 3) -> str:
        return self.link.call(
            crash.call(
                self.keys,
                job_id,
                token,
                max_crashes=max_crashes,
                dead_ttl_ms=90 * 24 * HOUR_MS,
                history=self.history,
            )
        )

    def report(self, job_id: str, token: int, **said: Any) -> str:
        news = Report(job_id, token, said.pop("data", b"{}"), **said)
        return self.link.call(report.call(self.keys, [news], history=self.history))[0]

    def cancel(self, *job_ids: str) -> list[CancelReply]:
        return self.link.call(cancel.call(self.keys, job_ids, history=self.history))

    def replay(self, job_id: str, new: NewJob, *, max_events: int = 1_000_000) -> ReplayReply:
        return self.link.call(
            replay.call(self.keys, job_id, new, history=self.history, max_events=max_events)
        )

    def discard(self, *letters: Discard | str) -> list[DiscardReply]:
        given = [Discard(one) if isinstance(one, str) else one for one in letters]
        return self.link.call(discard.call(self.keys, given, history=self.history))

    def invalidate(self, function: str, digest: str) -> bool:
        return self.link.call(invalidate.call(self.keys, [function], digest))

    def ask(self, *names: str | Mark, max_events: int = 1_000_000) -> Ticks:
        marks = [Mark(one) if isinstance(one, str) else one for one in names]
        return self.link.call(tick.ask(self.keys, marks, history=self.history, max_events=max_events))

    def tick(self, *ticks: Tick, max_events: int = 1_000_000) -> Ticks:
        return self.link.call(tick.call(self.keys, ticks, history=self.history, max_events=max_events))

    def revise(self, name: str, number: int, **options: Any) -> bool:
        return self.link.call(revise.call(self.keys, Revision(key=name, number=number, **options)))

    def watch(self, job_id: str, client_id: str = "c1") -> Watch:
        return self.link.call(watch.call(self.keys, job_id, client_id))

    # -- steps that many tests begin with

    def submit_one(self, **options: Any) -> str:
        job = new_job(**options)
        self.submit(job)
        return job.id

    def claim_one(self, **options: Any) -> ClaimedJob:
        """Submit a job and claim it; the queue must have no other that is ready."""
        job_id = self.submit_one(**options)
        (claimed,) = self.claim().jobs
        assert claimed.id == job_id
        return claimed

    # -- moving time

    def now_ms(self) -> int:
        seconds, micros = self.run(b"TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def make_old(self, job_id: str) -> None:
        """Make the lease of an active job older than LEASE_MS, as if its worker were silent."""
        fields = self.fields(job_id)
        stream = self.keys.prefix + fields["stream"]
        self.run(
            b"XCLAIM", stream, b"workers", b"worker", 0, fields["entry"], b"IDLE", 2 * LEASE_MS, b"JUSTID"
        )

    def make_due(self, job_id: str) -> None:
        """Move the time of a scheduled or retrying job into the past."""
        self.run(b"ZADD", self.keys.prefix + "scheduled", 1, job_id)

    def make_expired(self, job_id: str) -> None:
        """Move the moment until which a job must have started into the past."""
        self.run(b"ZADD", self.keys.prefix + "expiring", 1, job_id)
        self.run(b"HSET", self.keys.job(job_id), b"expires", 1)

    def let_recover(self) -> None:
        """Make the next recover() a pass that takes back: the last was a third of a lease ago."""
        self.run(b"DEL", self.keys.prefix + "recovery")
        self.run(b"HSET", self.keys.prefix + "recovery", b"last", self.now_ms() - LEASE_MS // 3)

    def lose(self, job_id: str, *, max_crashes: int = 3) -> int:
        """Make the worker of an active job silent and recover; the number of jobs taken back."""
        self.make_old(job_id)
        self.let_recover()
        return self.recover(max_crashes=max_crashes)

    # -- looking

    def run(self, *command: bytes | str | int) -> Any:
        return self.link.execute(command)

    def fields(self, job_id: str) -> dict[str, str]:
        flat = [part.decode() for part in self.run(b"HGETALL", self.keys.job(job_id))]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def status(self, job_id: str) -> str:
        return self.fields(job_id)["state"]

    def at(self, name: str) -> Any:
        """Return the content of one key of the queue, None if there is none."""
        return self.dump().get(name)

    def moves(self, job_id: str | None = None) -> list[JobMove]:
        """Return what the event stream tells, in order; of one job or of all."""
        told: list[JobMove] = []
        for _, flat in self.run(b"XRANGE", self.keys.events, b"-", b"+"):
            told += [parse_move(name, value) for name, value in zip(flat[::2], flat[1::2], strict=True)]
        return [move for move in told if job_id in (None, move.job_id)]

    def idle_ms(self, job_id: str) -> int:
        """Return how long ago the lease of an active job began."""
        fields = self.fields(job_id)
        stream = self.keys.prefix + fields["stream"]
        rows = self.run(b"XPENDING", stream, b"workers", fields["entry"], fields["entry"], 1)
        return int(rows[0][2])

    def dump(self) -> Dump:
        """Return all keys of the queue with their content, by their name without the queue's prefix."""
        keys = self._keys()
        if not keys:
            return {}
        kinds = self.link.pipeline([[b"TYPE", key] for key in keys])
        reads: list[Command] = []
        for key, kind in zip(keys, kinds, strict=True):
            words = _READ[kind]
            at = 2 if kind == b"stream" else 1
            reads.append([*words[:at], key, *words[at:]])
        start = len(self.keys.prefix)
        return {
            key.decode()[start:]: _plain(kind, value)
            for key, kind, value in zip(keys, kinds, self.link.pipeline(reads), strict=True)
        }

    def _keys(self) -> list[bytes]:
        cursor, found = b"0", set()
        while True:
            cursor, some = self.run(b"SCAN", cursor, b"MATCH", self.keys.prefix + "*", b"COUNT", 1000)
            found.update(some)
            if cursor == b"0":
                return sorted(found)


def _plain(kind: bytes, value: Any) -> Any:
    match kind:
        case b"hash" | b"zset":
            return dict(_pairs(value))
        case b"set":
            return sorted(value)
        case b"stream":
            return _stream(value)
    return value


def _stream(value: Sequence[Any]) -> dict[str, Any]:
    """Return entries and pending lists; the times at which a consumer looked in are left out."""
    info = dict(_pairs(value))
    pending = dict(map(_pending, info[b"groups"]))
    return {"entries": info[b"entries"], "last": info[b"last-generated-id"], "pending": pending}


def _pending(group: Sequence[Any]) -> tuple[bytes, Any]:
    info = dict(_pairs(group))
    return info[b"name"], info[b"pending"]


def _pairs(flat: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
