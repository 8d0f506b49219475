"""The directory of user-given ids: from any text to a job, whatever fails on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.broker.lab import FUNCTION, QUEUE, Lab, new_job
from upnext_django.broker.broker import Broker
from upnext_django.core.given import key_of_given_id
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob, SubmitAnswer
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import JobNotFound, RedisUnavailable

#: Ids that users may think of: with the letters that part keys, with those of a job id, with any others.
TEXTS = ["2f3c9c0a-58a7-4c56-9d3e-1f2a3b4c5d6e", "order:{7}", "ä 漢 \n *", new_job_id(QUEUE), "x" * 200]
DAY_MS = 86_400_000


def called(text: str, **options: Any) -> NewJob:
    return new_job(key=key_of_given_id(text), **options)


def entry(lab: Lab, broker: Broker, text: str) -> str | None:
    reply = lab.run(b"GET", broker.names.given_id(text))
    return None if reply is None else reply.decode()


@pytest.mark.parametrize("text", TEXTS, ids=["uuid", "with key letters", "other letters", "job id", "long"])
def test_a_job_is_found_cancelled_and_waited_for_by_any_text(text: str, broker: Broker, lab: Lab):
    job = called(text)
    broker.submit_sync([job])

    found = broker.job_sync(text)
    waiter = broker.expect(text)
    broker.watch_sync(waiter)

    assert found is not None
    assert found.id == job.id
    assert not waiter.done
    assert broker.cancel_sync(text)
    ending = waiter.ending_sync(10)
    assert (ending.job_id, ending.status) == (job.id, JobStatus.CANCELLED)
    assert not broker.cancel_sync(text)


@pytest.mark.parametrize("text", TEXTS, ids=["uuid", "with key letters", "other letters", "job id", "long"])
async def test_and_in_a_loop(text: str, broker: Broker, lab: Lab):
    job = called(text)
    await broker.submit_soon(job)

    found = await broker.job(text)
    waiter = broker.expect(text)
    await broker.watch(waiter)

    assert found is not None
    assert found.id == job.id
    assert await broker.cancel(text)
    ending = await waiter.ending(10)
    assert (ending.job_id, ending.status) == (job.id, JobStatus.CANCELLED)


def test_a_text_that_nobody_gave_is_no_job(broker: Broker, lab: Lab):
    waiter = broker.expect("nobody")
    broker.watch_sync(waiter)

    assert broker.job_sync("nobody") is None
    assert broker.job_sync("too long " * 100) is None
    assert not broker.cancel_sync("nobody")
    with pytest.raises(JobNotFound):
        waiter.ending_sync(0)


def test_an_ordinary_idempotency_key_is_no_id(broker: Broker, lab: Lab):
    broker.submit_sync([new_job(key="nightly")])

    assert broker.job_sync("nightly") is None
    assert entry(lab, broker, "nightly") is None


def test_a_second_job_of_a_living_id_leads_to_the_first(broker: Broker, lab: Lab):
    first, second = called("once"), called("once")

    replies = broker.submit_sync([first, second])

    assert [reply.answer for reply in replies] == [SubmitAnswer.ACCEPTED, SubmitAnswer.DUPLICATE]
    assert entry(lab, broker, "once") == first.id


def test_after_its_end_an_id_may_be_given_again(broker: Broker, lab: Lab):
    first, second = called("daily"), called("daily")
    broker.submit_sync([first])
    broker.cancel_sync("daily")

    replies = broker.submit_sync([second])

    assert replies[0].answer is SubmitAnswer.ACCEPTED
    assert entry(lab, broker, "daily") == second.id
    kept = broker.job_sync(first.id)
    assert kept is not None
    assert kept.status is JobStatus.CANCELLED


def test_a_replay_is_what_the_id_leads_to(broker: Broker, lab: Lab):
    old, new = called("invoice"), called("invoice")
    broker.submit_sync([old])
    broker.cancel_sync("invoice")

    broker.operator.replay_sync(old.id, new)

    found = broker.job_sync("invoice")
    assert found is not None
    assert found.id == new.id


async def test_two_processes_that_give_one_id_at_once_make_one_job(
    broker: Broker, lab: Lab, environment: Any
):
    other = Broker(environment)
    jobs = [called("race") for _ in range(20)]

    replies = await asyncio.gather(*((broker, other)[n % 2].submit([job]) for n, job in enumerate(jobs)))

    accepted = [
        job.id for job, [reply] in zip(jobs, replies, strict=True) if reply.answer is SubmitAnswer.ACCEPTED
    ]
    assert len(accepted) == 1
    assert entry(lab, broker, "race") == accepted[0]
    other.close()


def test_a_submit_that_failed_after_its_entry_can_be_sent_again(broker: Broker, lab: Lab):
    """A process that dies between the two steps leaves an entry that leads nowhere; it does no harm."""
    lost = called("again")
    with broker.clients.sync() as link:
        broker.given_ids.announce_sync(link, [lost])
    assert broker.job_sync("again") is None

    sent = called("again")
    broker.submit_sync([sent])

    found = broker.job_sync("again")
    assert found is not None
    assert found.id == sent.id


def test_nothing_is_entered_where_redis_is_away(broker: Broker, lab: Lab, environment: Any):
    away = Broker(environment, url="redis://127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable, match="nothing was queued"):
        away.submit_sync([called("away")])

    assert entry(lab, broker, "away") is None


@pytest.mark.parametrize("delay_ms", [None, 30 * DAY_MS])
def test_an_entry_outlives_the_delay_of_its_job_and_then_goes(delay_ms: int | None, broker: Broker, lab: Lab):
    broker.submit_sync([called("later", delay_ms=delay_ms)])

    left_ms = lab.run(b"PTTL", broker.names.given_id("later"))
    assert 6.9 * DAY_MS < left_ms - (delay_ms or 0) <= 7 * DAY_MS


def test_an_entry_outlives_the_moment_of_its_job(broker: Broker, lab: Lab):
    broker.submit_sync([called("at", at_ms=lab.now_ms() + 30 * DAY_MS)])

    assert lab.run(b"PTTL", broker.names.given_id("at")) > 36.9 * DAY_MS


@pytest.mark.parametrize("text", ["", "x" * 201, "a\0b", "\ud800"])
def test_a_text_that_no_server_can_hold_is_refused(text: str, broker: Broker):
    with pytest.raises(ValueError, match="task_id"):
        key_of_given_id(text)

    assert broker.job_sync(text) is None


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="task_id=7 is no text"):
        key_of_given_id(7)


def test_a_function_of_another_name_does_not_share_the_id(broker: Broker, lab: Lab):
    """As in Celery an id may be given to jobs of two tasks; it then leads to the newer one."""
    first, second = called("shared"), called("shared", function=f"{FUNCTION}_too")

    replies = [broker.submit_sync([job])[0].answer for job in (first, second)]

    assert replies == [SubmitAnswer.ACCEPTED, SubmitAnswer.ACCEPTED]
    assert entry(lab, broker, "shared") == second.id
