"""Whoever dies in the middle of a bulk action: it goes on where it was, and nothing happens twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections

from tests.broker.lab import FUNCTION, Lab
from tests.waiting import wait_until
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django.connection import get_broker
from upnext_django.exceptions import RedisUnavailable
from upnext_django.models import BulkAction, DeadLetterRecord, JobRecord
from upnext_django.operations import audit, deletion, jobs
from upnext_django.operations.bulk import begin, run, walk
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import VERBS, BulkVerb

Make = Callable[[int], list[str]]
Work = Callable[[], None]

JOBS = 1_500


class PowerCut(BaseException):
    """The process is gone: nothing that it would have done next is done."""


def in_stream(lab: Lab) -> int:
    return int(lab.run(b"XLEN", lab.keys.stream(f"stream:{FUNCTION}:1")))


def gone_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function``, whose process ends right after so many calls."""
    left = calls

    def called(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        answer = function(*args, **kwargs)
        left -= 1
        if not left:
            raise PowerCut
        return answer

    return called


def run_to_its_end(action: BulkAction) -> None:
    while BulkAction.objects.get(pk=action.pk).is_open:
        run.run_chunk(action.pk)


def cut(step: str, monkeypatch: pytest.MonkeyPatch, action: BulkAction) -> None:
    """Run chunks of an action until the process ends at ``step``."""
    module, name, calls = {
        "planning": (run, "next_chunk", 2),
        "planned": (run, "_write", 4),
        "one done": (audit, "note", 1),
        # A delete notes a chunk at once.
        "in the second chunk": (audit, "note", 2 if action.verb == BulkVerb.DELETE else 7),
        "counted": (run, "_write", 3),
    }[step]
    with monkeypatch.context() as patched:
        patched.setattr(module, name, gone_after(calls, getattr(module, name)))
        with pytest.raises(PowerCut):
            run_to_its_end(action)


@pytest.mark.parametrize("step", ["planning", "planned", "one done", "in the second chunk", "counted"])
@pytest.mark.parametrize("verb", BulkVerb)
def test_at_every_line_the_next_one_goes_on(
    lab: Lab,
    waiting: Make,
    failed: Make,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    verb: BulkVerb,
):
    monkeypatch.setattr(walk, "_WINDOW", 4)
    keys = waiting(10) if verb is BulkVerb.CANCEL else failed(10)
    if verb is BulkVerb.DELETE:
        DeadLetterRecord.objects.all().delete()
    action = begin.start(verb, Selection())

    cut(step, monkeypatch, action)
    work()

    ended = BulkAction.objects.get()
    assert (ended.status, ended.done, ended.refused, ended.pending) == ("done", 10, 0, None)
    match verb:
        case BulkVerb.RETRY | BulkVerb.REPLAY:
            assert in_stream(lab) == 10
        case BulkVerb.CANCEL:
            assert {lab.status(key) for key in keys} == {"cancelled"}
        case BulkVerb.DISCARD:
            assert all("discarded" in lab.fields(key) for key in keys)
        case BulkVerb.DELETE:
            assert not JobRecord.objects.exists()


def test_of_two_that_think_they_are_the_active_one_each_chunk_is_counted_once(
    lab: Lab, failed: Make, work: Work, monkeypatch: pytest.MonkeyPatch
):
    """A process was frozen in a chunk for longer than its lease; another did it, and went on."""
    monkeypatch.setattr(walk, "_WINDOW", 4)
    failed(10)
    action = begin.start(BulkVerb.RETRY, Selection())
    doing = VERBS[BulkVerb.RETRY]

    def frozen(ids: Any, by: object) -> Any:
        with monkeypatch.context() as patched:
            patched.setitem(VERBS, BulkVerb.RETRY, doing)
            work()
        return doing.repeat(ids, by)

    with monkeypatch.context() as patched:
        slow = type(doing)(**{name: getattr(doing, name) for name in doing.__slots__} | {"act": frozen})
        patched.setitem(VERBS, BulkVerb.RETRY, slow)
        run.run_chunk(action.pk)

    ended = BulkAction.objects.get()
    assert (ended.status, ended.done, ended.refused) == ("done", 10, 0)
    assert in_stream(lab) == 10


@pytest.mark.parametrize("error", [RedisUnavailable("away", url="redis://x"), OperationalError("away")])
def test_what_is_away_is_waited_for(
    lab: Lab, failed: Make, work: Work, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    failed(5)
    action = begin.start(BulkVerb.RETRY, Selection())
    once = [error]

    def away_once(job_id: str, *, by: object = None) -> str:
        if once and in_stream(lab) == 2:
            raise once.pop()
        return retry(job_id, by=by)

    retry = jobs.retry
    monkeypatch.setattr(jobs, "retry", away_once)
    work()

    ended = BulkAction.objects.get(pk=action.pk)
    assert (ended.status, ended.done, ended.refused, ended.error) == ("done", 5, 0, "")
    assert in_stream(lab) == 5


def test_what_nobody_expected_ends_it_and_it_goes_on_when_that_is_mended(
    lab: Lab, failed: Make, work: Work, monkeypatch: pytest.MonkeyPatch
):
    failed(5)
    action = begin.start(BulkVerb.RETRY, Selection())

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "retry", lambda *_args, **_kwargs: 1 // 0)
        work()
    broken = BulkAction.objects.get()
    assert (broken.status, broken.done) == ("failed", 0)
    assert "ZeroDivisionError" in broken.error

    begin.go_on(action.pk)
    work()
    assert BulkAction.objects.get().done == 5


def test_a_delete_that_is_repeated_counts_what_is_gone(lab: Lab, waiting: Make):
    keys = waiting(3)
    JobRecord.objects.update(status="complete")
    deletion.delete_many(keys[:1])

    outcome = VERBS[BulkVerb.DELETE].repeat(keys, None)

    assert (set(outcome.done), outcome.refused) == (set(keys), {})


def test_a_repeated_cancel_refuses_what_ended_otherwise(lab: Lab, failed: Make):
    (key,) = failed(1)

    outcome = VERBS[BulkVerb.CANCEL].repeat([key], None)

    assert list(outcome.refused) == [key]


def test_a_killed_worker_is_followed_by_another(lab: Lab, failed: Make, tmp_path: Path):
    failed(JOBS)
    action = begin.start(BulkVerb.REPLAY, Selection(), by="a test")
    broker = get_broker()
    environment = {
        "UPNEXT_REDIS_URL": broker.url,
        "UPNEXT_EXAMPLE_NAMESPACE": broker.environment.namespace,
        "UPNEXT_TEST_TASKS": "tests.django.tasks",
        "UPNEXT_EXAMPLE_DATABASE": database_url(),
    }

    def now() -> BulkAction:
        connections["default"].close()
        return BulkAction.objects.get(pk=action.pk)

    def is_in_the_middle() -> bool:
        return bool((found := now()).pending and found.done)

    first = RunningWorker("tests.django.settings", environment, ("--no-mirror",), tmp_path / "first.log")
    wait_until(is_in_the_middle, "the worker has done a chunk and is in another", timeout=60)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert now().status == "running"
    assert now().done < JOBS

    with running_worker(
        "tests.django.settings",
        "--no-mirror",
        redis_url=broker.url,
        namespace=broker.environment.namespace,
        tasks="tests.django.tasks",
        log=tmp_path / "second.log",
        environment={"UPNEXT_EXAMPLE_DATABASE": database_url()},
    ):
        wait_until(lambda: not now().is_open, "the other worker has done the rest", timeout=90)

    ended = now()
    assert (ended.status, ended.done, ended.refused, ended.error) == ("done", JOBS, 0, "")
    assert in_stream(lab) == JOBS
