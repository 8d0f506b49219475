"""Replay and discard on a real Redis, with the history that the mirror makes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from django.contrib.messages import constants
from django.utils import timezone

import upnext_django as upnext
from tests.broker.lab import FUNCTION, Lab
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, LiveJob, SettleData
from upnext_django.core.lifecycle import JobStatus
from upnext_django.declare.registry import registry
from upnext_django.exceptions import InvalidTransition, JobNotFound, UnknownTask, UpNextError
from upnext_django.models import DeadLetterRecord, FunctionRecord, JobRecord
from upnext_django.operations import dead_letters, jobs

Mirror = Callable[[], None]


def envelope(**fields: Any) -> bytes:
    fields = {"args": msgspec.Raw(b'[[7],{"note":"hi"}]'), "priority": 5, **fields}
    return msgspec.json.encode(Envelope(function=FUNCTION, function_name="send", **fields))


def fail(lab: Lab, status: JobStatus = JobStatus.FAILED, **options: Any) -> str:
    """Lead a job to its end and return its id."""
    options.setdefault("envelope", envelope())
    claimed = lab.claim_one(**options)
    data = SettleData(attempt=1, started_ms=1, error_type="ValueError", error="ValueError: no", traceback="T")
    lab.settle(claimed.id, claimed.token, status, msgspec.json.encode(data), ttl_ms=3_600_000)
    return claimed.id


def job(job_id: str) -> LiveJob:
    live = get_broker().job_sync(job_id)
    assert live is not None
    return live


def leave_redis(lab: Lab, job_id: str) -> None:
    lab.run(b"DEL", lab.keys.job(job_id))


def register(**definition: Any) -> None:
    """Have the history say what a worker registered of FUNCTION."""
    parameters = [
        {"name": "order", "kind": "either", "required": True},
        {"name": "note", "kind": "keyword", "required": False},
    ]
    FunctionRecord.objects.create(
        function=FUNCTION, definition={"parameters": parameters, **definition}, seen_at=timezone.now()
    )


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_replay_is_a_new_job_with_the_same_root_and_payload(lab: Lab, status: JobStatus):
    root, parent = new_job_id("mail"), new_job_id("mail")
    old = fail(lab, status, envelope=envelope(root_id=root, parent_id=parent, max_attempts=4, timeout=9.0))

    new = job(dead_letters.replay(old))

    assert (new.status, new.envelope.replay_of, new.envelope.root_id) == (JobStatus.QUEUED, old, root)
    assert new.envelope.parent_id == parent
    assert (new.envelope.max_attempts, new.envelope.timeout, new.envelope.priority) == (4, 9.0, 5)
    assert bytes(new.envelope.args) == b'[[7],{"note":"hi"}]'


def test_the_root_of_a_top_jobs_replay_is_that_job(lab: Lab):
    old = fail(lab)

    assert job(jobs.retry(old)).envelope.root_id == old


def test_the_history_shows_what_a_dead_letter_was_replayed_as(lab: Lab, mirror: Mirror):
    old = fail(lab)
    mirror()
    assert [letter.job_id for letter in dead_letters.open_letters(error_type="ValueError")] == [old]

    new = dead_letters.replay(old)
    mirror()

    assert dead_letters.letter(old).replayed_as == new
    assert list(dead_letters.open_letters()) == []
    row = JobRecord.objects.get(pk=new)
    assert (row.replay_of, row.root_id) == (old, old)


def test_nothing_is_replayed_twice(lab: Lab):
    old = fail(lab)
    new = dead_letters.replay(old)

    with pytest.raises(InvalidTransition, match=f"{old} is replayed as {new}; only cancelled or failed"):
        dead_letters.replay(old)


def test_a_live_or_complete_job_is_not_replayed(lab: Lab):
    done = fail(lab, JobStatus.COMPLETE)
    waiting = lab.submit_one()

    for job_id, status in ((done, "complete"), (waiting, "queued")):
        with pytest.raises(InvalidTransition, match=f"{job_id} is {status}"):
            dead_letters.replay(job_id)


def test_a_job_that_nobody_knows_is_not_found(lab: Lab):
    unknown = new_job_id("mail")

    for action in (dead_letters.replay, dead_letters.discard, dead_letters.letter, jobs.cancel):
        with pytest.raises(JobNotFound):
            action(unknown)


def test_a_replay_waits_for_the_live_job_of_its_key(lab: Lab):
    old = fail(lab, key="order-7", envelope=envelope(key="order-7"))
    winner = lab.submit_one(key="order-7")

    with pytest.raises(UpNextError, match=f"'order-7'.*{winner}"):
        dead_letters.replay(old)


def test_edited_arguments_replace_those_of_the_call(lab: Lab, mirror: Mirror):
    register()
    old = fail(lab)

    new = dead_letters.replay(old, args=[8])
    mirror()

    assert bytes(job(new).envelope.args) == b'[[8],{"note":"hi"}]'
    assert JobRecord.objects.get(pk=new).arguments == {"args": [8], "kwargs": {"note": "hi"}}


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ([], {}, "missing a required argument: 'order'"),
        ([1, 2], {}, "at most 1 positional"),
        ([1], {"order": 2}, "multiple values for argument 'order'"),
        ([1], {"other": 2}, "unexpected keyword argument 'other'"),
    ],
)
def test_an_edit_is_checked_against_what_a_worker_registered(
    lab: Lab, args: list[int], kwargs: dict[str, int], said: str
):
    register()
    old = fail(lab)

    with pytest.raises(TypeError, match=said):
        dead_letters.replay(old, args=args, kwargs=kwargs)

    assert dead_letters.replay(old), "a refused edit leaves the dead letter as it was"


def test_an_edit_that_json_cannot_carry_is_refused(lab: Lab):
    register()

    with pytest.raises(upnext.ArgumentError, match="nan"):
        dead_letters.replay(fail(lab), args=[float("nan")])


def test_an_edit_is_checked_by_the_task_of_this_process(lab: Lab):
    def send(order: int, *, note: str = "", day: date | None = None) -> None: ...

    send.__module__, send.__qualname__ = FUNCTION.rsplit(".", 1)
    old = fail(lab)

    with registry.isolated():
        upnext.Worker("mail").task(send)
        with pytest.raises(TypeError, match="unexpected keyword argument 'nte'"):
            dead_letters.replay(old, kwargs={"nte": "typo"})
        with pytest.raises(upnext.ArgumentError, match='"day"'):
            dead_letters.replay(old, kwargs={"day": "soon"})
        new = dead_letters.replay(old, kwargs={})

    assert bytes(job(new).envelope.args) == b"[[7],{}]"


def test_a_replay_is_cached_by_its_own_arguments(lab: Lab):
    """With the old key an edited replay would keep its value for those who ask for the old arguments."""

    def send(order: int, *, note: str = "") -> None: ...

    send.__module__, send.__qualname__ = FUNCTION.rsplit(".", 1)
    with registry.isolated():
        task = upnext.Worker("mail").task(cache_key="{order}")(send)
        digest = {order: task.definition.cache_digest((order,), {}) for order in (7, 8)}
        first, second = (
            fail(lab, cache=digest[7], envelope=envelope(cache=digest[7])),
            fail(lab, cache=digest[7], envelope=envelope(cache=digest[7])),
        )
        as_it_was, edited = dead_letters.replay(first), dead_letters.replay(second, args=[8])
    register()
    third = fail_after(lab, as_it_was)
    elsewhere = dead_letters.replay(third, args=[9])

    assert lab.fields(as_it_was)["cache"] == job(as_it_was).envelope.cache == digest[7]
    assert lab.fields(edited)["cache"] == job(edited).envelope.cache == digest[8]
    assert "cache" not in lab.fields(elsewhere)
    assert job(elsewhere).envelope.cache is None


def test_an_edit_that_nothing_can_check_is_refused(lab: Lab):
    with pytest.raises(UnknownTask, match="without editing"):
        dead_letters.replay(fail(lab), args=[8])


@pytest.mark.parametrize("option", ["sensitive", "rate_limit_key"])
def test_an_edit_that_needs_the_task_itself_is_refused_elsewhere(lab: Lab, option: str):
    register(**{option: ["order"]})

    with pytest.raises(UpNextError, match=option):
        dead_letters.replay(fail(lab), args=[8])


def test_encrypted_arguments_stay_encrypted(lab: Lab, mirror: Mirror):
    old = fail(lab, envelope=envelope(args=msgspec.Raw(b'"gAAA"'), sealed=True))

    new = dead_letters.replay(old)
    mirror()

    assert (bytes(job(new).envelope.args), job(new).envelope.sealed) == (b'"gAAA"', True)
    row = JobRecord.objects.get(pk=new)
    assert row.arguments == {"args": [], "kwargs": {}, "sealed": True}
    with pytest.raises(UpNextError, match="encrypted"):
        dead_letters.replay(fail_after(lab, new), args=[1])


def fail_after(lab: Lab, job_id: str) -> str:
    (claimed,) = lab.claim().jobs
    assert claimed.id == job_id
    lab.settle(job_id, claimed.token, JobStatus.FAILED, ttl_ms=3_600_000)
    return job_id


def test_a_job_that_left_redis_is_replayed_from_its_row_once(lab: Lab, mirror: Mirror):
    register(timeout=12.0)
    old = fail(lab)
    mirror()
    leave_redis(lab, old)

    new = dead_letters.replay(old)

    assert bytes(job(new).envelope.args) == b'[[7],{"note":"hi"}]'
    assert (job(new).envelope.replay_of, job(new).envelope.timeout) == (old, 12.0)
    with pytest.raises(InvalidTransition, match=new):
        dead_letters.replay(old)
    mirror()
    assert dead_letters.letter(old).replayed_as == new
    with pytest.raises(InvalidTransition, match=new):
        dead_letters.replay(old)


def test_masked_arguments_are_never_sent(lab: Lab, mirror: Mirror):
    register()
    old = fail(lab, envelope=envelope(args=msgspec.Raw(b'[[{"password":"x"}],{}]')))
    mirror()
    leave_redis(lab, old)

    with pytest.raises(UpNextError, match="masked"):
        dead_letters.replay(old)

    new = dead_letters.replay(old, args=[8], kwargs={})
    assert bytes(job(new).envelope.args) == b"[[8],{}]"


def test_a_discarded_dead_letter_asks_for_no_decision(lab: Lab, mirror: Mirror):
    old = fail(lab)

    dead_letters.discard(old)
    dead_letters.discard(old)
    mirror()

    letter = dead_letters.letter(old)
    row = JobRecord.objects.get(pk=old)
    assert letter.discarded_at is not None
    assert list(dead_letters.open_letters()) == []
    assert (row.status, row.error, letter.error) == ("failed", "ValueError: no", "ValueError: no")
    assert row.completed_at == letter.failed_at
    assert row.completed_at <= letter.discarded_at
    with pytest.raises(InvalidTransition, match="is discarded"):
        dead_letters.replay(old)


def test_a_dead_letter_that_left_redis_can_be_discarded(lab: Lab, mirror: Mirror):
    old = fail(lab)
    mirror()
    leave_redis(lab, old)
    failed_at = dead_letters.letter(old).failed_at

    dead_letters.discard(old)
    mirror()

    letter = dead_letters.letter(old)
    assert letter.discarded_at is not None
    assert (letter.failed_at, letter.error) == (failed_at, "ValueError: no")
    with pytest.raises(InvalidTransition, match="is discarded"):
        dead_letters.replay(old)


def test_only_dead_letters_are_discarded(lab: Lab):
    replayed = fail(lab)
    new = dead_letters.replay(replayed)

    with pytest.raises(InvalidTransition, match="queued; only failed jobs can be discarded"):
        dead_letters.discard(new)
    with pytest.raises(InvalidTransition, match=f"replayed as {new}"):
        dead_letters.discard(replayed)


def test_many_are_replayed_though_some_are_refused(
    lab: Lab, mirror: Mirror, caplog: pytest.LogCaptureFixture
):
    first, second = fail(lab), fail(lab)
    mirror()
    letters = dead_letters.open_letters(function=FUNCTION)
    dead_letters.discard(first)

    with caplog.at_level(logging.INFO, "upnext.operations"):
        outcome = dead_letters.replay_many(letters, by="ada")

    assert list(outcome.done) == [second]
    assert list(outcome.refused) == [first]
    assert outcome.summary.startswith(f"1 job replayed. 1 refused: Job {first} is discarded")
    assert outcome.level == constants.WARNING
    assert f"{second} was replayed as {outcome.done[second]} by ada" in caplog.text


def test_many_are_discarded(lab: Lab, mirror: Mirror):
    letters = [fail(lab) for _ in range(3)]

    outcome = dead_letters.discard_many(letters)
    mirror()

    assert (outcome.summary, outcome.level) == ("3 jobs discarded.", constants.SUCCESS)
    assert DeadLetterRecord.objects.filter(discarded_at=None).count() == 0


def test_cancel_says_whether_a_job_was_live(lab: Lab):
    waiting = lab.submit_one()

    assert jobs.cancel(waiting, by="ada")
    assert not jobs.cancel(waiting)
    assert job(waiting).status is JobStatus.CANCELLED
