"""Every status against every script: what core.lifecycle allows happens, anything else changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.broker.lab import FUNCTION, HOUR_MS, LEASE_MS, Dump, Lab, new_job
from upnext_django.broker.scripts.cancel import CancelAnswer, CancelReply
from upnext_django.broker.scripts.discard import DiscardAnswer, DiscardReply
from upnext_django.broker.scripts.renew import RenewReply
from upnext_django.broker.scripts.replay import ReplayAnswer, ReplayReply
from upnext_django.broker.scripts.settle import MISSING, STALE
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob, SubmitAnswer, SubmitReply
from upnext_django.core.lifecycle import MOVES, REPLAYABLE, TERMINAL, JobStatus, Move

#: What says where to look, not what is true: a claim may tidy it although nothing moves.
HINTS = ("ready:", "turn", "bell:", "recovery", "capabilities")
STRAY = f"stream:{FUNCTION}:2"
CACHE_KEY = "k1"


@dataclass(frozen=True)
class Held:
    """A job brought to a status by the scripts, and the number of its latest claim (0: none)."""

    job: NewJob
    token: int

    @property
    def id(self) -> str:
        return self.job.id


def bring_to(lab: Lab, status: JobStatus) -> Held:
    """Submit a job with both keys and a waiter and lead it to ``status``."""
    delay_ms = HOUR_MS if status is JobStatus.SCHEDULED else None
    job = new_job(key="order-7", cache=CACHE_KEY, reply="c1", delay_ms=delay_ms)
    lab.submit(job)
    if status in (JobStatus.SCHEDULED, JobStatus.QUEUED):
        return Held(job, 0)
    (claimed,) = lab.claim().jobs
    if status is not JobStatus.ACTIVE:
        assert lab.settle(job.id, claimed.token, status, delay_ms=HOUR_MS) == status
    return Held(job, claimed.token)


def truth(dump: Dump, *more_hints: str) -> Dump:
    return {name: value for name, value in dump.items() if not name.startswith((*HINTS, *more_hints))}


@dataclass(frozen=True)
class Attempt:
    """One script asked to make one move; ``refusal`` is its reply where the table forbids it."""

    name: str
    move: Move
    target: JobStatus
    run: Callable[[Lab, Held], object]
    refusal: object
    before: Callable[[Lab, Held], None] = lambda lab, held: None

    def __str__(self) -> str:
        return self.name


def settle_to(target: JobStatus) -> Callable[[Lab, Held], object]:
    return lambda lab, held: lab.settle(held.id, held.token, target, delay_ms=HOUR_MS)


def claim(lab: Lab, held: Held) -> object:
    return [job.id for job in lab.claim().jobs]


def tidy(lab: Lab, held: Held) -> object:
    """Let a claim that wants nothing look at what is due and what expired."""
    return lab.claim(wanted=0).jobs


def fall_silent(lab: Lab, held: Held) -> None:
    if lab.status(held.id) == JobStatus.ACTIVE:
        lab.make_old(held.id)
    lab.let_recover()


def ask_and_fall_silent(lab: Lab, held: Held) -> None:
    if lab.status(held.id) == JobStatus.ACTIVE:
        lab.cancel(held.id)
    fall_silent(lab, held)


def put_value(lab: Lab, held: Held) -> None:
    lab.run(b"HSET", f"{lab.keys.prefix}cache:{FUNCTION}:{CACHE_KEY}", b"data", b"{}", b"ttl", 1000)


def ask(lab: Lab, held: Held) -> None:
    if lab.status(held.id) == JobStatus.ACTIVE:
        lab.cancel(held.id)


ATTEMPTS = [
    *(
        Attempt(f"settle as {target}", Move.SETTLED, target, settle_to(target), STALE)
        for target in sorted(MOVES[Move.SETTLED][JobStatus.ACTIVE])
    ),
    Attempt("hand back", Move.HANDED_BACK, JobStatus.QUEUED, settle_to(JobStatus.QUEUED), STALE),
    Attempt("claim", Move.CLAIMED, JobStatus.ACTIVE, claim, []),
    Attempt("claim a cached one", Move.CACHE_HIT, JobStatus.COMPLETE, claim, [], before=put_value),
    Attempt(
        "promote", Move.PROMOTED, JobStatus.QUEUED, tidy, [], before=lambda lab, held: lab.make_due(held.id)
    ),
    Attempt(
        "expire",
        Move.EXPIRED,
        JobStatus.CANCELLED,
        tidy,
        [],
        before=lambda lab, held: lab.make_expired(held.id),
    ),
    Attempt(
        "recover", Move.RECOVERED, JobStatus.QUEUED, lambda lab, held: lab.recover(), 0, before=fall_silent
    ),
    Attempt(
        "recover past the crash cap",
        Move.RECOVERED,
        JobStatus.FAILED,
        lambda lab, held: lab.recover(max_crashes=0),
        0,
        before=fall_silent,
    ),
    Attempt(
        "recover a cancelled one",
        Move.RECOVERED,
        JobStatus.CANCELLED,
        lambda lab, held: lab.recover(),
        0,
        before=ask_and_fall_silent,
    ),
    Attempt(
        "crash",
        Move.RECOVERED,
        JobStatus.QUEUED,
        lambda lab, held: lab.crash(held.id, held.token),
        STALE,
    ),
    Attempt(
        "crash past the cap",
        Move.RECOVERED,
        JobStatus.FAILED,
        lambda lab, held: lab.crash(held.id, held.token, max_crashes=0),
        STALE,
    ),
    Attempt(
        "crash of a cancelled one",
        Move.RECOVERED,
        JobStatus.CANCELLED,
        lambda lab, held: lab.crash(held.id, held.token),
        STALE,
        before=ask,
    ),
    Attempt(
        "report",
        Move.REPORTED,
        JobStatus.ACTIVE,
        lambda lab, held: lab.report(held.id, held.token, progress=50.0),
        STALE,
    ),
]

#: A cancel that was asked for turns every end but success into "cancelled": move as asked, result so.
AFTER_CANCEL = [
    (Move.SETTLED, JobStatus.FAILED, JobStatus.CANCELLED),
    (Move.SETTLED, JobStatus.RETRYING, JobStatus.CANCELLED),
    (Move.SETTLED, JobStatus.CANCELLED, JobStatus.CANCELLED),
    (Move.HANDED_BACK, JobStatus.QUEUED, JobStatus.CANCELLED),
    (Move.SETTLED, JobStatus.COMPLETE, JobStatus.COMPLETE),
]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
@pytest.mark.parametrize("status", list(JobStatus))
def test_a_move_happens_exactly_if_the_table_allows_it(lab: Lab, status: JobStatus, attempt: Attempt):
    held = bring_to(lab, status)
    attempt.before(lab, held)
    before, told = lab.dump(), len(lab.moves())
    seq = int(lab.fields(held.id)["seq"])

    reply = attempt.run(lab, held)

    if attempt.target in MOVES[attempt.move].get(status, ()):
        assert lab.status(held.id) == attempt.target
        news = lab.moves()[told:]
        assert [(m.job_id, m.move, m.status, m.seq) for m in news] == [
            (held.id, attempt.move, attempt.target, seq + 1)
        ]
    else:
        assert reply == attempt.refusal
        # What was put there by hand for a job that is not in that state is thrown away.
        assert truth(lab.dump(), "scheduled", "expiring") == truth(before, "scheduled", "expiring")


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
def test_a_parked_job_moves_only_where_a_waiting_one_ends(lab: Lab, attempt: Attempt):
    held = park(lab)
    attempt.before(lab, held)
    before, told = lab.dump(), len(lab.moves())

    reply = attempt.run(lab, held)

    if attempt.move is Move.EXPIRED:
        assert lab.status(held.id) == attempt.target
        assert [(m.job_id, m.move, m.status, m.seq) for m in lab.moves()[told:]] == [
            (held.id, attempt.move, attempt.target, 2)
        ]
        assert lab.at(f"parked:{FUNCTION}:{CACHE_KEY}") is None
    else:
        assert reply == attempt.refusal
        assert truth(lab.dump(), "scheduled", "expiring") == truth(before, "scheduled", "expiring")


def test_a_parked_job_is_cancelled_watched_and_never_taken_for_another(lab: Lab):
    held = park(lab)

    assert lab.submit(held.job) == [SubmitReply(SubmitAnswer.EXISTS)]
    assert lab.replay(held.id, new_job()) == ReplayReply(ReplayAnswer.FORBIDDEN, status=JobStatus.QUEUED)
    assert lab.watch(held.id, "c2").ending is None
    assert lab.cancel(held.id) == [CancelReply(CancelAnswer.CANCELLED)]
    assert lab.at(f"parked:{FUNCTION}:{CACHE_KEY}") is None


@pytest.mark.parametrize("status", list(JobStatus))
def test_an_invalidation_moves_no_job(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    put_value(lab, held)
    before, told = lab.dump(), len(lab.moves())

    assert lab.invalidate(FUNCTION, CACHE_KEY)

    assert truth(lab.dump(), "leaders:") == truth(before, "leaders:", "cache:")
    assert len(lab.moves()) == told


@pytest.mark.parametrize("status", list(JobStatus))
def test_cancel_ends_asks_or_is_forbidden_by_the_table(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    before, told = lab.dump(), len(lab.moves())

    (reply,) = lab.cancel(held.id)

    news = [(m.move, m.status) for m in lab.moves()[told:]]
    if status in MOVES[Move.CANCELLED]:
        assert reply == CancelReply(CancelAnswer.CANCELLED)
        assert news == [(Move.CANCELLED, JobStatus.CANCELLED)]
    elif status in MOVES[Move.CANCEL_ASKED]:
        assert reply == CancelReply(CancelAnswer.ASKED)
        assert news == [(Move.CANCEL_ASKED, JobStatus.ACTIVE)]
    else:
        assert reply == CancelReply(CancelAnswer.FORBIDDEN, status=status)
        assert lab.dump() == before


@pytest.mark.parametrize(("move", "asked_for", "becomes"), AFTER_CANCEL)
def test_a_cancel_asked_for_leaves_only_success_or_cancelled(
    lab: Lab, move: Move, asked_for: JobStatus, becomes: JobStatus
):
    held = bring_to(lab, JobStatus.ACTIVE)
    ask(lab, held)

    reply = lab.settle(held.id, held.token, asked_for)

    assert reply == lab.status(held.id) == becomes
    assert becomes in MOVES[move][JobStatus.ACTIVE]


@pytest.mark.parametrize("off_by", [-1, 1])
@pytest.mark.parametrize("status", list(JobStatus))
def test_another_claims_token_changes_nothing(lab: Lab, status: JobStatus, off_by: int):
    held = bring_to(lab, status)
    token = held.token + off_by
    before = lab.dump()

    replies = [lab.settle(held.id, token, target) for target in _targets()]

    assert set(replies) == {STALE}
    assert lab.report(held.id, token, progress=1.0, checkpoint=b"1") == STALE
    assert lab.renew((held.id, token)) == [RenewReply.LOST]
    assert lab.dump() == before


@pytest.mark.parametrize("status", list(JobStatus))
def test_only_an_active_jobs_lease_is_renewed(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    before = lab.dump()

    (reply,) = lab.renew((held.id, held.token))

    assert reply == (RenewReply.OK if status is JobStatus.ACTIVE else RenewReply.LOST)
    if status is not JobStatus.ACTIVE:
        assert lab.dump() == before


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_second_submit_of_an_id_exists_and_changes_nothing(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    before = lab.dump()

    replies = lab.submit(held.job)

    assert replies == [SubmitReply(SubmitAnswer.EXISTS)]
    assert lab.dump() == before


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_replay_takes_what_ended_without_success_and_nothing_else(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    before = lab.dump()
    new = new_job()

    reply = lab.replay(held.id, new)

    if status in REPLAYABLE:
        assert reply == ReplayReply(ReplayAnswer.ACCEPTED)
        assert lab.status(new.id) == JobStatus.QUEUED
        assert lab.status(held.id) == status, "a replay is no move of the old job"
    else:
        assert reply == ReplayReply(ReplayAnswer.FORBIDDEN, status=status)
        assert lab.dump() == before


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_discard_is_told_of_a_failed_job_and_no_other(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    before, told = lab.dump(), len(lab.moves())

    (reply,) = lab.discard(held.id)

    if status in MOVES[Move.DISCARDED]:
        assert reply == DiscardReply(DiscardAnswer.DISCARDED)
        assert [(m.move, m.status) for m in lab.moves()[told:]] == [(Move.DISCARDED, status)]
    else:
        assert reply == DiscardReply(DiscardAnswer.FORBIDDEN, status=status)
        assert lab.dump() == before


@pytest.mark.parametrize("status", list(JobStatus))
def test_watch_answers_an_end_and_otherwise_adds_a_waiter_only(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    before = lab.dump()

    seen = lab.watch(held.id, "c2")

    after = lab.dump()
    if status in TERMINAL:
        assert seen.ending is not None
        assert seen.ending.status is status
    else:
        assert (seen.ending, seen.missing) == (None, False)
        assert after[f"job:{held.id}"].pop(b"reply") == b"c1,c2"
        assert before[f"job:{held.id}"].pop(b"reply") == b"c1"
    assert after == before


@pytest.mark.parametrize("status", list(JobStatus))
def test_registering_moves_no_job(lab: Lab, status: JobStatus):
    bring_to(lab, status)
    before = lab.dump()

    lab.register(FUNCTION, "shop.tasks.other")

    assert truth(lab.dump(), "knows:", "capability:") == truth(before, "knows:", "capability:")


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_stray_entry_starts_nothing(lab: Lab, status: JobStatus):
    """A second entry of a job, as a server restored from an old file may hold, is thrown away unread."""
    held = bring_to(lab, status)
    lab.claim(lanes="", suspects=False)
    add_stray_entry(lab, held.id)
    before = lab.dump()

    claimed = lab.claim(lanes="2").jobs

    assert claimed == []
    assert lab.dump()[STRAY]["entries"] == []
    assert truth(lab.dump(), STRAY) == truth(before, STRAY)


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_stray_pending_entry_is_no_lost_lease(lab: Lab, status: JobStatus):
    held = bring_to(lab, status)
    entry = add_stray_entry(lab, held.id)
    stray = lab.keys.prefix + STRAY
    lab.run(b"XREADGROUP", b"GROUP", b"workers", b"worker", b"STREAMS", stray, b">")
    lab.run(b"XCLAIM", stray, b"workers", b"worker", 0, entry, b"IDLE", 2 * LEASE_MS, b"JUSTID")
    lab.let_recover()
    before = lab.dump()

    taken = lab.recover()

    assert taken == 0
    assert lab.dump()[STRAY]["entries"] == []
    assert lab.dump()[STRAY]["pending"] == {b"workers": []}
    assert truth(lab.dump(), STRAY) == truth(before, STRAY)


@pytest.mark.parametrize("target", [JobStatus.ACTIVE, JobStatus.SCHEDULED])
def test_an_attempt_cannot_be_settled_as_a_status_that_is_no_end(lab: Lab, target: JobStatus):
    """A slip in a caller must not reach Redis: the script would end the job in a status that never ends."""
    held = bring_to(lab, JobStatus.ACTIVE)
    before = lab.dump()

    with pytest.raises(ValueError, match=target):
        lab.settle(held.id, held.token, target)

    assert lab.dump() == before


def test_nothing_is_known_of_a_job_that_never_was(lab: Lab):
    unknown = new_job_id("mail")
    before = lab.dump()

    assert lab.settle(unknown, 1, JobStatus.COMPLETE) == MISSING
    assert lab.report(unknown, 1, progress=1.0) == MISSING
    assert lab.renew((unknown, 1)) == [RenewReply.LOST]
    assert lab.cancel(unknown) == [CancelReply(CancelAnswer.MISSING)]
    assert lab.watch(unknown).missing
    assert lab.replay(unknown, new_job()) == ReplayReply(ReplayAnswer.MISSING)
    assert lab.discard(unknown) == [DiscardReply(DiscardAnswer.MISSING)]
    assert lab.dump() == before


def _targets() -> list[JobStatus]:
    return sorted({*MOVES[Move.SETTLED][JobStatus.ACTIVE], *MOVES[Move.HANDED_BACK][JobStatus.ACTIVE]})


def park(lab: Lab) -> Held:
    """Submit two jobs of one cache key and claim them: the second waits for the first."""
    leader, job = new_job(cache=CACHE_KEY), new_job(cache=CACHE_KEY, expires_ms=HOUR_MS)
    lab.submit(leader, job)
    assert [claimed.id for claimed in lab.claim(2).jobs] == [leader.id]
    assert "entry" not in lab.fields(job.id)
    return Held(job, 0)


def add_stray_entry(lab: Lab, job_id: str) -> bytes:
    stray = lab.keys.prefix + STRAY
    lab.run(b"XGROUP", b"CREATE", stray, b"workers", b"0", b"MKSTREAM")
    lab.run(b"SADD", lab.keys.prefix + "streams", STRAY)
    lab.run(b"ZADD", lab.keys.prefix + "ready:2", 0, FUNCTION)
    # An id of its own: two streams give the same one to entries of the same millisecond.
    entry: bytes = lab.run(b"XADD", stray, b"1-1", b"j", job_id)
    return entry
