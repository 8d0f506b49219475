"""Steps taken on the server and in the model at once; after each, everything is compared."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.broker.lab import HOUR_MS, Lab, new_job
from tests.broker.model import CacheKey, Model, ModelJob, Told
from upnext_django.broker.link import Command
from upnext_django.broker.scripts.settle import Settlement
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob
from upnext_django.core.lifecycle import LIVE, MOVES, TERMINAL, JobStatus, Move
from upnext_django.core.moves import parse_move

__all__ = ["CACHE_KEYS", "FUNCTIONS", "TARGETS", "Walk"]

KNOWN = ("shop.pay", "shop.send")
#: Nobody knows the last one: its jobs are kept, and may be cancelled.
FUNCTIONS = (*KNOWN, "shop.unknown")
TARGETS = (
    JobStatus.COMPLETE,
    JobStatus.RETRYING,
    JobStatus.FAILED,
    JobStatus.CANCELLED,
    JobStatus.QUEUED,
)
MAX_CRASHES = 3
#: Few, so that lines of jobs that wait for a value are often ended in several calls.
MOST_HITS = 1
CLIENTS = ("c1", "c2")
CACHE_KEYS = tuple(itertools.product(FUNCTIONS, ("k1", "k2")))
HIT = b'{"cache_hit":true}'
#: A status before any: what a submit or a duplicate begins with.
_BEGIN = {Move.SUBMITTED: {JobStatus.SCHEDULED, JobStatus.QUEUED}, Move.DUPLICATED: {JobStatus.CANCELLED}}


class Walk:
    """One queue in two forms. Every step asserts equal replies, then calls ``compare()``."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.model = Model(MAX_CRASHES)
        self.lab.register(*KNOWN)
        self.lab.register(*KNOWN[:1])
        self._last_event = "-"
        self._last_reply = dict.fromkeys(CLIENTS, "-")
        #: What the events alone say: the last seq and status of each job.
        self._ledger: dict[str, tuple[int, JobStatus]] = {}
        self._ended: dict[str, dict[str, str]] = {}
        #: The moves that happened, with the status after each.
        self.seen: set[tuple[Move, JobStatus]] = set()

    # -- steps

    def submit(self, *jobs: NewJob) -> None:
        replies = self.lab.submit(*jobs)

        assert replies == [self.model.submit(job) for job in jobs]
        self.compare(jobs[0].id)

    def claim(
        self, wanted: int, *, everything: bool = True, lanes: str = "012", suspects: bool = True
    ) -> None:
        functions = frozenset(KNOWN if everything else KNOWN[:1])

        got = self.lab.claim(wanted, functions=functions, lanes=lanes, suspects=suspects)

        self.model.claim(
            got, wanted=wanted, functions=functions, lanes=lanes, suspects=suspects, spared=self._spared()
        )
        self.compare()

    def _spared(self) -> list[str]:
        """Return the jobs that a claim just ended by the cache or parked."""
        might = [
            job
            for job in self.model.in_status(JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.RETRYING)
            if job.new.cache
        ]
        if not might:
            return []
        reads: list[Command] = [
            [b"HMGET", self.lab.keys.job(job.id), b"state", b"entry", b"ending"] for job in might
        ]
        seen = zip(might, self.lab.link.pipeline(reads), strict=True)
        return [
            job.id
            for job, (state, entry, ending) in seen
            if ending == HIT or (not job.parked and state == JobStatus.QUEUED.encode() and entry is None)
        ]

    def settle(self, *wishes: tuple[str, int, JobStatus], caches: bool = True) -> None:
        batch = [
            Settlement(
                job_id,
                token,
                target,
                b"{}",
                delay_ms=HOUR_MS,
                # A walk may take minutes, and must not see its dead letters go meanwhile.
                ttl_ms=HOUR_MS,
                cached=HIT if caches and target is JobStatus.COMPLETE else None,
                cached_ms=HOUR_MS,
            )
            for job_id, token, target in wishes
        ]

        answers = self.lab.settle_all(*batch, most_hits=MOST_HITS)

        self.model.hits_left = MOST_HITS
        assert answers == [self.model.settle(*wish, caches=caches) for wish in wishes]
        self.compare(*(job_id for job_id, _, _ in wishes))

    def invalidate(self, key: CacheKey) -> None:
        assert self.lab.invalidate(*key) == self.model.invalidate(key)
        self.compare()

    def outlive(self, key: CacheKey) -> None:
        """Let a cached value expire."""
        self.lab.run(b"DEL", f"{self.lab.keys.prefix}cache:{key[0]}:{key[1]}")
        self.model.cached.discard(key)
        self.compare()

    def renew(self, job_id: str, token: int) -> None:
        assert self.lab.renew((job_id, token)) == [self.model.renew(job_id, token)]
        self.compare(job_id)

    def report(self, job_id: str, token: int, checkpoint: bytes) -> None:
        reply = self.lab.report(job_id, token, checkpoint=checkpoint, progress=10.0)

        assert reply == self.model.report(job_id, token, checkpoint)
        self.compare(job_id)

    def fall_silent(self, job: ModelJob) -> None:
        if job.status is JobStatus.ACTIVE:
            self.lab.make_old(job.id)
            job.silent = True

    def recover(self) -> None:
        self.lab.let_recover()

        assert self.lab.recover(max_crashes=MAX_CRASHES) == self.model.recover()
        self.compare()

    def cancel(self, job_id: str) -> None:
        assert self.lab.cancel(job_id) == [self.model.cancel(job_id)]
        self.compare(job_id)

    def watch(self, job_id: str, client_id: str) -> None:
        seen = self.lab.watch(job_id, client_id)

        answer = seen.winner or (seen.ending.status if seen.ending else None)
        assert answer == self.model.watch(job_id, client_id)
        assert not seen.missing
        self.compare(job_id)

    def make_due(self, job: ModelJob) -> None:
        if job.status in (JobStatus.SCHEDULED, JobStatus.RETRYING):
            self.lab.make_due(job.id)
            job.due = True

    def expire(self, job: ModelJob) -> None:
        if job.may_expire:
            self.lab.make_expired(job.id)
            job.expired = True

    # -- comparing

    def compare(self, *touched: str) -> None:
        """Assert that the server holds what the model does. ``touched`` ended jobs are read again too."""
        live = self.model.live()
        streams = sorted({f"stream:{job.stream.split(':', 1)[1]}" for job in live if job.lane != "s"})
        streams += sorted(f"suspects:{function}{key}" for function in FUNCTIONS for key in ("", ":d1"))
        prefix = self.lab.keys.prefix
        reads: list[list[Command]] = [
            [[b"XRANGE", self.lab.keys.events, self._last_event, b"+"]],
            [[b"ZRANGE", prefix + "scheduled", 0, -1]],
            [[b"ZRANGE", prefix + "expiring", 0, -1]],
            [[b"XRANGE", f"{prefix}replies:{client}", self._last_reply[client], b"+"] for client in CLIENTS],
            [[b"HGETALL", f"{prefix}keys:{function}"] for function in FUNCTIONS],
            [[b"ZRANGE", f"{prefix}dead:{function}", 0, -1] for function in FUNCTIONS],
            [[b"HGETALL", f"{prefix}leaders:{function}"] for function in FUNCTIONS],
            [[b"EXISTS", f"{prefix}cache:{fn}:{digest}"] for fn, digest in CACHE_KEYS],
            [[b"ZRANGE", f"{prefix}parked:{fn}:{digest}", 0, -1, b"WITHSCORES"] for fn, digest in CACHE_KEYS],
            [[b"XRANGE", prefix + name, b"-", b"+"] for name in streams],
            [[b"HGETALL", self.lab.keys.job(job.id)] for job in live],
        ]
        replies = iter(self.lab.link.pipeline(list(itertools.chain(*reads))))

        self._compare_events(next(replies))
        places = {job_id: ["scheduled"] for job_id in _words(next(replies))}
        assert set(_words(next(replies))) == {job.id for job in self.model.live() if job.may_expire}
        self._compare_answers({client: next(replies) for client in CLIENTS})
        owners = {(fn, key): owner for fn in FUNCTIONS for key, owner in _pairs(next(replies))}
        assert owners == self.model.keys
        assert {one for _ in FUNCTIONS for one in _words(next(replies))} == self.model.dead
        self._compare_caches(places, replies)
        self._compare_places(places, {name: next(replies) for name in streams})
        for job in live:
            self._compare_job(job, dict(_pairs(next(replies))))
        self._compare_ended(touched)

    def _compare_events(self, entries: list[Any]) -> None:
        told: list[Told] = []
        for entry_id, flat in entries:
            self._last_event = "(" + entry_id.decode()
            for name, text in zip(flat[::2], flat[1::2], strict=True):
                move = parse_move(name, text)
                told.append((move.job_id, move.seq, move.move, move.status, move.token))
                seq, status = self._ledger.get(move.job_id, (0, None))
                allowed = MOVES[move.move].get(status, frozenset()) if status else _BEGIN[move.move]
                assert move.seq == seq + 1, "the events of a job have no gap"
                assert move.status in allowed, "an event that core.lifecycle forbids"
                self._ledger[move.job_id] = (move.seq, move.status)
                self.seen.add((move.move, move.status))
                if move.status in TERMINAL and move.move is not Move.DUPLICATED:
                    self._ended[move.job_id] = self.lab.fields(move.job_id)
                    assert "entry" not in self._ended[move.job_id], "an ended job has no place"
                if move.move is Move.CACHE_HIT:
                    assert self._ended[move.job_id]["ending"] == HIT.decode()
        assert sorted(told) == sorted(self.model.told)
        self.model.told.clear()

    def _compare_answers(self, replies: dict[str, list[Any]]) -> None:
        answered = []
        for client, entries in replies.items():
            for entry_id, flat in entries:
                self._last_reply[client] = "(" + entry_id.decode()
                fields = dict(_pairs(flat))
                answered.append((client, fields["j"], JobStatus(fields["s"])))
        assert sorted(answered) == sorted(self.model.answered), "each waiter is answered once"
        self.model.answered.clear()

    def _compare_caches(self, places: dict[str, list[str]], replies: Iterator[Any]) -> None:
        leaders = {(fn, digest): job_id for fn in FUNCTIONS for digest, job_id in _pairs(next(replies))}
        assert leaders == self.model.leaders
        assert {key for key in CACHE_KEYS if next(replies)} == self.model.cached
        for fn, digest in CACHE_KEYS:
            for job_id, score in _pairs(next(replies)):
                places.setdefault(job_id, []).append(f"parked:{fn}:{digest}")
                self.model.jobs[job_id].line = float(score), job_id
                assert (fn, digest) in leaders, "nobody wakes who waits here"

    def _compare_places(self, places: dict[str, list[str]], streams: dict[str, list[Any]]) -> None:
        prefix = self.lab.keys.prefix
        filled = [name for name, entries in streams.items() if entries]
        pendings = (
            self.lab.link.pipeline(
                [[b"XPENDING", prefix + name, b"workers", b"-", b"+", 10_000] for name in filled]
            )
            if filled
            else []
        )
        for name, rows in zip(filled, pendings, strict=True):
            pending = {row[0] for row in rows}
            for entry_id, (_, job_id) in streams[name]:
                where = "pending" if entry_id in pending else "waiting"
                places.setdefault(job_id.decode(), []).append(f"{name} {where}")
            assert pending <= {entry_id for entry_id, _ in streams[name]}, "a lease without an entry"
        assert places == {job.id: [job.place] for job in self.model.live()}, "a live job is in one place"

    def _compare_job(self, job: ModelJob, fields: dict[str, str]) -> None:
        counts = {
            name: int(fields.get(name, 0)) for name in ("seq", "token", "attempts", "crashes", "handbacks")
        }
        assert counts == {name: getattr(job, name) for name in counts}
        assert fields["state"] == job.status
        assert fields["stream"] == job.stream
        assert ("cancel" in fields) == job.cancel_asked
        assert ("entry" in fields) == (job.status in (JobStatus.QUEUED, JobStatus.ACTIVE) and not job.parked)
        assert fields.get("reply", "") == ",".join(job.waiters)
        assert self._ledger[job.id] == (job.seq, job.status), "the events tell where the job is"
        assert job.executions == job.attempts + job.crashes + job.handbacks
        if job.status is JobStatus.QUEUED and not job.parked:
            ms, _, n = fields["entry"].partition("-")
            job.order = (int(ms), int(n))

    def _compare_ended(self, job_ids: tuple[str, ...]) -> None:
        for job_id in job_ids:
            if job_id in self._ended:
                assert self.lab.fields(job_id) == self._ended[job_id], "an ended job changed"

    def finish(self) -> None:
        """Compare all that ever was, children too."""
        self.compare(*self._ended)
        for job_id, (_, status) in self._ledger.items():
            if job_id in self.model.jobs:
                job = self.model.jobs[job_id]
                assert job.status == status
                assert job.executions <= job.attempts + job.crashes + job.handbacks
        for parent, children in self.model.children.items():
            assert set(_words(self.lab.run(b"SMEMBERS", self.lab.keys.children(parent)))) == children

    # -- a seeded walk

    def step(self, rng: random.Random) -> None:
        """Take one step, weighted so that rare windows (old tokens, lost leases) are entered often."""
        live = self.model.live()
        if len(live) > 40:
            # Room for new ones: jobs nobody knows or whose lane is rarely asked for pile up otherwise.
            self.cancel(self._one_of(rng, JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.RETRYING).id)
            return
        steps: list[tuple[int, Callable[[random.Random], None]]] = [
            (22, self._submit_some),
            (20, self._claim_some),
            (16, self._settle_some),
            (12, self._fall_silent_some),
            (8, lambda rng: self.recover()),
            (8, lambda rng: self.cancel(self._any_id(rng))),
            (6, lambda rng: self.renew(*self._held(rng))),
            (4, lambda rng: self.report(*self._held(rng), b"%d" % rng.randrange(100))),
            (4, lambda rng: self.watch(self._any_id(rng), rng.choice(CLIENTS))),
            (8, lambda rng: self.make_due(self._one_of(rng, JobStatus.SCHEDULED, JobStatus.RETRYING))),
            (4, self._expire_some),
            (3, lambda rng: self.invalidate(rng.choice(CACHE_KEYS))),
            (4, lambda rng: self.outlive(rng.choice(CACHE_KEYS))),
        ]
        if not live:
            steps = steps[:1]
        weights = [weight for weight, _ in steps]
        rng.choices([step for _, step in steps], weights)[0](rng)

    def _submit_some(self, rng: random.Random) -> None:
        self.submit(*(self._random_job(rng) for _ in range(rng.choice((1, 1, 1, 4)))))

    def _random_job(self, rng: random.Random) -> NewJob:
        if self.model.jobs and rng.random() < 0.05:
            return rng.choice(list(self.model.jobs.values())).new
        return new_job(
            rng.choice((*KNOWN * 8, FUNCTIONS[-1])),
            queue=self.lab.keys.queue,
            id=new_job_id(self.lab.keys.queue),
            lane=rng.randrange(3),
            digest=rng.choice(("", "", "d1")),
            delay_ms=HOUR_MS if rng.random() < 0.2 else None,
            expires_ms=HOUR_MS if rng.random() < 0.2 else None,
            key=rng.choice((None, None, None, None, "a", "b", "c")),
            cache=rng.choice(("", "", "", "k1", "k1", "k2")),
            reply=rng.choice((None, *CLIENTS)),
            parent_id=self._any_id(rng) if self.model.jobs and rng.random() < 0.2 else None,
        )

    def _claim_some(self, rng: random.Random) -> None:
        self.claim(
            rng.choice((0, 1, 1, 2, 3, 6)),
            everything=rng.random() < 0.8,
            lanes=rng.choice(("012", "012", "210", "0")),
            suspects=rng.random() < 0.7,
        )

    def _settle_some(self, rng: random.Random) -> None:
        batch = [self._held(rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        wishes = ((job_id, token, rng.choice(TARGETS)) for job_id, token in batch)
        self.settle(*wishes, caches=rng.random() < 0.9)

    def _fall_silent_some(self, rng: random.Random) -> None:
        """Prefer jobs that crashed before, or are to be cancelled: else what then happens is rarely seen."""
        active = self.model.in_status(JobStatus.ACTIVE)
        worst = max((job.crashes for job in active), default=0)
        again = [job for job in active if job.crashes == worst]
        asked = [job for job in active if job.cancel_asked]
        roll = rng.random()
        if again and roll < 0.6:
            self.fall_silent(rng.choice(again))
        elif asked and roll < 0.8:
            self.fall_silent(rng.choice(asked))
        else:
            self.fall_silent(self._one_of(rng, JobStatus.ACTIVE))

    def _expire_some(self, rng: random.Random) -> None:
        may_expire = [job for job in self.model.live() if job.may_expire]
        if may_expire:
            self.expire(rng.choice(may_expire))

    def _held(self, rng: random.Random) -> tuple[str, int]:
        """Pick a job and a token: mostly its owner's, often that of a worker that lost it."""
        statuses = (JobStatus.ACTIVE,) if rng.random() < 0.85 else tuple(JobStatus)
        job = self._one_of(rng, *statuses)
        if job.crashes == 0 and rng.random() < 0.3:
            # Of two the one that crashed: what a zombie may do wrong, it does to such a job.
            job = max(job, self._one_of(rng, *statuses), key=lambda one: one.crashes)
        token = job.token if rng.random() < 0.75 else rng.randrange(job.token + 2)
        return job.id, token

    def _one_of(self, rng: random.Random, *statuses: JobStatus) -> ModelJob:
        return rng.choice(self.model.in_status(*statuses) or list(self.model.jobs.values()))

    def _any_id(self, rng: random.Random) -> str:
        ids = [job.id for job in self.model.in_status(*LIVE)] if rng.random() < 0.8 else []
        return rng.choice(ids or [*self.model.jobs, *self.model.duplicates])


def _words(flat: list[bytes]) -> list[str]:
    return [word.decode() for word in flat]


def _pairs(flat: list[bytes]) -> list[tuple[str, str]]:
    words = _words(flat)
    return list(zip(words[::2], words[1::2], strict=True))
