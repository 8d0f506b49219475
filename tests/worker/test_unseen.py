"""Who is told of jobs that died with what ran them, and what that must never hold up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.broker.conftest import lab
from tests.broker.lab import FUNCTION, Lab
from upnext_django.broker.link import AsyncLink, SyncLink
from upnext_django.core.job import LiveJob
from upnext_django.declare import surroundings
from upnext_django.runtime import unseen
from upnext_django.runtime.unseen import _TOLD_AT_ONCE

__all__ = ["lab"]


class Told:
    """Keeps what it is told; fails for the ids in ``bad``."""

    def __init__(self) -> None:
        self.jobs: list[LiveJob] = []
        self.bad: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return lambda *args: {}

    def ended_unseen(self, job: LiveJob) -> None:
        if job.id in self.bad:
            raise ValueError("it does not take it")
        self.jobs.append(job)


@pytest.fixture
def told() -> Iterator[Told]:
    one = Told()
    surroundings.add(one)
    yield one
    surroundings.remove(one)


def lost(lab: Lab, count: int) -> list[str]:
    """Return jobs that died."""
    for _ in range(count):
        lab.submit_one()
    ids = [job.id for job in lab.claim(count).jobs]
    for job_id in ids:
        lab.make_old(job_id)
    died: list[str] = []
    while len(died) < count:
        lab.let_recover()
        died += lab.recovered(max_crashes=0).died
    return sorted(died)


def test_each_is_told_with_what_redis_knows_of_it(lab: Lab, told: Told):
    first, second = lost(lab, 2)

    unseen.tell_sync(lab.link, [(lab.keys, first), (lab.keys, second)])

    assert [job.id for job in told.jobs] == [first, second]
    assert {(job.envelope.function, job.queue, job.crashes) for job in told.jobs} == {
        (FUNCTION, lab.keys.queue, 1)
    }


def test_one_that_cannot_be_told_or_read_holds_up_no_other(lab: Lab, told: Told):
    ids = lost(lab, 4)
    told.bad = {ids[0]}
    lab.run(b"HSET", lab.keys.job(ids[1]), b"state", b"from a newer version")
    lab.run(b"DEL", lab.keys.job(ids[2]))

    unseen.tell_sync(lab.link, [(lab.keys, job_id) for job_id in ids])

    assert [job.id for job in told.jobs] == ids[3:]


def test_after_redis_has_not_answered_once_nobody_is_asked_for_more(
    lab: Lab, told: Told, caplog: pytest.LogCaptureFixture
):
    away = SyncLink("redis://127.0.0.1:1")

    unseen.tell_sync(away, [(lab.keys, "a"), (lab.keys, "b")])

    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    (warning,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert [one.name for one in errors] == ["upnext.job"] * 2
    assert warning.startswith("2 jobs: nobody is told")


def test_of_very_many_the_first_are_told(lab: Lab, told: Told, caplog: pytest.LogCaptureFixture):
    (job_id,) = lost(lab, 1)

    unseen.tell_sync(lab.link, [(lab.keys, job_id)] * (_TOLD_AT_ONCE + 5))

    assert len(told.jobs) == _TOLD_AT_ONCE
    assert "5 jobs: nobody is told" in caplog.text


async def test_in_a_loop_nothing_is_raised_either(lab: Lab, told: Told, valkey_url: str):
    first, second = lost(lab, 2)
    lab.run(b"HSET", lab.keys.job(first), b"state", b"from a newer version")
    here, away = AsyncLink(valkey_url), AsyncLink("redis://127.0.0.1:1")

    await unseen.tell(here, lab.keys, first)
    await unseen.tell(here, lab.keys, second)
    await unseen.tell(away, lab.keys, second)
    await here.close()

    assert [job.id for job in told.jobs] == [second]
