"""The rules of a queue in plain Python: what the scripts must answer, move and tell.

It knows no Redis and no time: a test says when a job is due, expired or its worker silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from upnext_django.broker.scripts.cancel import CancelAnswer, CancelReply
from upnext_django.broker.scripts.claim import Claim
from upnext_django.broker.scripts.renew import RenewReply
from upnext_django.broker.scripts.settle import MISSING, STALE
from upnext_django.core.job import NewJob, SubmitAnswer, SubmitReply
from upnext_django.core.lifecycle import LIVE, TERMINAL, JobStatus, Move

__all__ = ["CacheKey", "Model", "ModelJob", "Told"]

#: job id, seq, move, status after it, token
Told = tuple[str, int, Move, JobStatus, int]
#: a function and the digest of a cache key
CacheKey = tuple[str, str]
_AFTER_ALL = (1 << 62, 0)


@dataclass
class ModelJob:
    """One job. ``due``, ``expired`` and ``silent`` are what the test did to its times."""

    new: NewJob
    stream: str
    status: JobStatus
    seq: int = 1
    token: int = 0
    attempts: int = 0
    crashes: int = 0
    handbacks: int = 0
    executions: int = 0
    waiters: list[str] = field(default_factory=list)
    checkpoint: bytes = b""
    cancel_asked: bool = False
    may_expire: bool = False
    due: bool = False
    expired: bool = False
    #: it waits for the leader of its cache key
    parked: bool = False
    silent: bool = False
    #: where its entry lies in the stream, as the server numbered it
    order: tuple[int, int] = _AFTER_ALL
    #: its place in the line of its cache key, as the server numbered it
    line: tuple[float, str] = (0.0, "")

    @property
    def id(self) -> str:
        return self.new.id

    @property
    def cache_key(self) -> CacheKey:
        return self.new.function, self.new.cache

    @property
    def lane(self) -> str:
        return "s" if self.stream.startswith("suspects:") else self.stream.split(":")[2]

    @property
    def place(self) -> str | None:
        """Where the one trace of a live job is."""
        match self.status:
            case JobStatus.SCHEDULED | JobStatus.RETRYING:
                return "scheduled"
            case JobStatus.QUEUED if self.parked:
                return f"parked:{self.new.function}:{self.new.cache}"
            case JobStatus.QUEUED:
                return f"{self.stream} waiting"
            case JobStatus.ACTIVE:
                return f"{self.stream} pending"
        return None


class Model:
    """One queue. ``told`` and ``answered`` collect what must have been written since they were last taken."""

    def __init__(self, max_crashes: int) -> None:
        self.max_crashes = max_crashes
        self.jobs: dict[str, ModelJob] = {}
        self.duplicates: dict[str, str] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.dead: set[str] = set()
        self.children: dict[str, set[str]] = {}
        #: Cache keys that have a value, the jobs that compute one, and who waits for them in order.
        self.cached: set[CacheKey] = set()
        self.leaders: dict[CacheKey, str] = {}
        #: how many parked jobs the settle under way may still end
        self.hits_left = 0
        self.told: list[Told] = []
        self.answered: list[tuple[str, str, JobStatus]] = []

    def in_status(self, *statuses: JobStatus) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.status in statuses]

    def live(self) -> list[ModelJob]:
        return self.in_status(*LIVE)

    # -- what the scripts do

    def submit(self, new: NewJob) -> SubmitReply:
        if new.id in self.jobs or new.id in self.duplicates:
            return SubmitReply(SubmitAnswer.EXISTS)
        winner = self.keys.get((new.function, new.key)) if new.key else None
        if winner is not None:
            self.duplicates[new.id] = winner
            self.told.append((new.id, 1, Move.DUPLICATED, JobStatus.CANCELLED, 0))
            return SubmitReply(SubmitAnswer.DUPLICATE, winner)
        later = new.delay_ms is not None
        job = ModelJob(
            new=new,
            stream=f"stream:{new.function}:{new.lane}" + (f":{new.digest}" if new.digest else ""),
            status=JobStatus.SCHEDULED if later else JobStatus.QUEUED,
            waiters=[new.reply] if new.reply else [],
            may_expire=new.expires_ms is not None,
        )
        self.jobs[job.id] = job
        if new.key:
            self.keys[new.function, new.key] = job.id
        if new.parent_id:
            self.children.setdefault(new.parent_id, set()).add(job.id)
        self.told.append((job.id, 1, Move.SUBMITTED, job.status, 0))
        return SubmitReply(SubmitAnswer.ACCEPTED)

    def claim(
        self,
        got: Claim,
        *,
        wanted: int,
        functions: frozenset[str],
        lanes: str,
        suspects: bool,
        spared: Sequence[str] = (),
    ) -> None:
        """Check a claim's choice, which may differ by rotation, and take it over.

        ``spared`` are the jobs that it ended as cache hits or parked instead of giving them out.
        """
        self._tidy()
        read = lanes + ("s" if suspects else "")
        ready = [
            job
            for job in self.in_status(JobStatus.QUEUED)
            if job.new.function in functions and job.lane in read and not job.parked
        ]
        taken = [self.jobs[claimed.id] for claimed in got.jobs]
        left = [job for job in ready if job not in taken and job.id not in spared]

        assert all(job in ready for job in taken), "only what was queued, known and in the lanes is given"
        assert len({job.id for job in taken}) == len(taken) <= wanted
        assert len([job for job in taken if job.lane == "s"]) <= 1, "suspects come one at a time"
        assert taken or spared or not ready or not wanted, "there was work and nothing was given"
        if left:
            assert got.left, "work is left and the worker was not told"
            least = min((read.index(job.lane) for job in left if job.lane != "s"), default=len(read))
            lanes_taken = [read.index(job.lane) for job in taken if job.lane != "s"]
            assert all(lane <= least for lane in lanes_taken), "lanes out of order"
            if taken and any(job.lane == "s" for job in left):
                assert any(job.lane == "s" for job in taken), "a suspect goes before all lanes"
        for job in left:
            before = [other for other in taken if other.stream == job.stream and other.order > job.order]
            assert not before, "within a stream it is first in, first out"
        for claimed, job in zip(got.jobs, taken, strict=True):
            job.token += 1
            job.attempts += 1
            job.executions += 1
            job.may_expire = False
            job.silent = False
            self._move(job, Move.CLAIMED, JobStatus.ACTIVE)
            assert (claimed.token, claimed.attempt) == (job.token, job.attempts)
            assert (claimed.stream, claimed.checkpoint) == (job.stream, job.checkpoint)
            assert claimed.envelope == job.new.envelope
            self._lead(job)
        assert all(job in ready or job.parked for job in map(self.jobs.__getitem__, spared))
        self._spare([self.jobs[job_id] for job_id in spared])

    def settle(self, job_id: str, token: int, target: JobStatus, *, caches: bool = True) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return MISSING
        if job.status is not JobStatus.ACTIVE or job.token != token:
            return STALE
        if job.cancel_asked and target is not JobStatus.COMPLETE:
            target = JobStatus.CANCELLED
        match target:
            case JobStatus.QUEUED:
                job.attempts -= 1
                job.handbacks += 1
                self._to_front(job)
                self._move(job, Move.HANDED_BACK, target)
            case JobStatus.RETRYING:
                self._move(job, Move.SETTLED, target)
            case _:
                if target is JobStatus.COMPLETE and caches and self.leaders.get(job.cache_key) == job_id:
                    self.cached.add(job.cache_key)
                    self.hits_left -= self._end_parked(job.cache_key, self.hits_left)
                self._end(job, Move.SETTLED, target)
        return target

    def renew(self, job_id: str, token: int) -> RenewReply:
        job = self.jobs.get(job_id)
        if job is None or job.status is not JobStatus.ACTIVE or job.token != token:
            return RenewReply.LOST
        job.silent = False
        return RenewReply.CANCEL if job.cancel_asked else RenewReply.OK

    def report(self, job_id: str, token: int, checkpoint: bytes) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return MISSING
        if job.status is not JobStatus.ACTIVE or job.token != token:
            return STALE
        job.checkpoint = checkpoint
        self._move(job, Move.REPORTED, JobStatus.ACTIVE)
        return "OK"

    def recover(self) -> int:
        lost = [job for job in self.in_status(JobStatus.ACTIVE) if job.silent]
        for job in lost:
            job.crashes += 1
            job.silent = False
            if job.cancel_asked:
                self._end(job, Move.RECOVERED, JobStatus.CANCELLED)
            elif job.crashes > self.max_crashes:
                self._end(job, Move.RECOVERED, JobStatus.FAILED)
            else:
                job.attempts -= 1
                if job.crashes >= 2:
                    of_key = f":{job.new.digest}" if job.new.digest else ""
                    job.stream = f"suspects:{job.new.function}{of_key}"
                else:
                    self._to_front(job)
                self._move(job, Move.RECOVERED, JobStatus.QUEUED)
                job.token += 1
        return len(lost)

    def cancel(self, job_id: str) -> CancelReply:
        if job_id in self.duplicates:
            return CancelReply(CancelAnswer.DUPLICATE, winner=self.duplicates[job_id])
        job = self.jobs.get(job_id)
        if job is None:
            return CancelReply(CancelAnswer.MISSING)
        if job.status in TERMINAL:
            return CancelReply(CancelAnswer.FORBIDDEN, status=job.status)
        if job.status is JobStatus.ACTIVE:
            if not job.cancel_asked:
                job.cancel_asked = True
                self._move(job, Move.CANCEL_ASKED, JobStatus.ACTIVE)
            return CancelReply(CancelAnswer.ASKED)
        self._end(job, Move.CANCELLED, JobStatus.CANCELLED)
        return CancelReply(CancelAnswer.CANCELLED)

    def watch(self, job_id: str, client_id: str) -> JobStatus | str | None:
        """Return the ending's status, a duplicate's winner, or None for a wait (or a job not there)."""
        if job_id in self.duplicates:
            return self.duplicates[job_id]
        job = self.jobs[job_id]
        if job.status in TERMINAL:
            return job.status
        if client_id not in job.waiters:
            job.waiters.append(client_id)
        return None

    def invalidate(self, key: CacheKey) -> bool:
        had = key in self.cached
        self.cached.discard(key)
        self._hand_on(key)
        return had

    # -- caches

    def parked(self, key: CacheKey) -> list[ModelJob]:
        return [job for job in self.live() if job.parked and job.cache_key == key]

    def _lead(self, job: ModelJob) -> None:
        """Check that a job was given out rightly: no value, and nobody else computes one."""
        if job.new.cache:
            assert job.cache_key not in self.cached, "a cached result was computed again"
            assert self.leaders.setdefault(job.cache_key, job.id) == job.id, "two compute one value"

    def _spare(self, jobs: list[ModelJob]) -> None:
        """Take over which jobs a claim parked or ended as hits; a hit may wake the next one."""
        for job in jobs:
            assert job.new.cache, "without a cache key nothing is spared"
            if job.cache_key not in self.cached:
                assert not job.parked
                assert self.leaders[job.cache_key] != job.id, "nobody waits for himself"
                job.parked = True
        hits = [job for job in jobs if job.cache_key in self.cached]
        while hits:
            able = [job for job in hits if not job.parked]
            assert able, "a parked job ended before its turn"
            for job in able:
                self._end(job, Move.CACHE_HIT, JobStatus.COMPLETE)
            hits = [job for job in hits if job not in able]

    def _end_parked(self, key: CacheKey, most: int) -> int:
        line = sorted(self.parked(key), key=lambda job: job.line)[:most]
        for job in line:
            self._end(job, Move.CACHE_HIT, JobStatus.COMPLETE)
        return len(line)

    def _hand_on(self, key: CacheKey) -> None:
        """Give the lead of a key to the first in line, into the first lane."""
        if self.leaders.pop(key, None) is not None and (line := self.parked(key)):
            heir = min(line, key=lambda job: job.line)
            heir.parked = False
            heir.order = _AFTER_ALL
            self._to_front(heir)
            self.leaders[key] = heir.id

    # -- what they have in common

    def _tidy(self) -> None:
        """Do what each claim does first: end what expired, then promote what is due, in the order of ids."""
        for job in self.in_status(JobStatus.SCHEDULED, JobStatus.QUEUED):
            if job.expired and job.may_expire:
                self._end(job, Move.EXPIRED, JobStatus.CANCELLED)
        due = [job for job in self.in_status(JobStatus.SCHEDULED, JobStatus.RETRYING) if job.due]
        for n, job in enumerate(sorted(due, key=lambda job: job.id)):
            job.due = False
            self._move(job, Move.PROMOTED, JobStatus.QUEUED)
            job.order = (_AFTER_ALL[0], n)

    def _to_front(self, job: ModelJob) -> None:
        if job.lane != "s":
            head, function, _, *digest = job.stream.split(":")
            job.stream = ":".join([head, function, "0", *digest])

    def _end(self, job: ModelJob, move: Move, status: JobStatus) -> None:
        self._move(job, move, status)
        job.may_expire = False
        job.parked = False
        if self.leaders.get(job.cache_key) == job.id:
            self._hand_on(job.cache_key)
        key = (job.new.function, job.new.key or "")
        if self.keys.get(key) == job.id:
            del self.keys[key]
        if status is JobStatus.FAILED:
            self.dead.add(job.id)
        self.answered += [(client, job.id, status) for client in job.waiters]

    def _move(self, job: ModelJob, move: Move, status: JobStatus) -> None:
        job.seq += 1
        job.status = status
        job.due = False
        self.told.append((job.id, job.seq, move, status, job.token))
