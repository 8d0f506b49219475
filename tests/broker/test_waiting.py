"""Waiters: answered by a reply, by watching, through a duplicate; never by asking again."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest

from tests.broker.lab import QUEUE, Lab, new_job
from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.core.ids import new_job_id
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import JobNotFound

#: Half of the time after which an unanswered waiter asks again: an answer within it came by itself.
SOON_S = 5.0


def end(lab: Lab, job_id: str, status: JobStatus = JobStatus.COMPLETE, data: bytes = b'{"result":7}') -> None:
    (claimed,) = [job for job in lab.claim(10).jobs if job.id == job_id]
    lab.settle(job_id, claimed.token, status, data)


def test_a_submitter_that_waits_gets_the_result(broker: Broker, lab: Lab):
    job = new_job(reply=broker.client_id)
    waiter = broker.expect(job.id)
    broker.submit_sync([job])

    end(lab, job.id)

    ending = waiter.ending_sync(SOON_S)
    assert (ending.job_id, ending.status) == (job.id, JobStatus.COMPLETE)
    assert ending.data.result == msgspec.Raw(b"7")


async def test_a_loop_that_waits_gets_the_result(broker: Broker, lab: Lab):
    job = new_job(reply=broker.client_id)
    waiter = broker.expect(job.id)
    await broker.submit([job])
    waiting = asyncio.ensure_future(waiter.ending(SOON_S))

    end(lab, job.id, JobStatus.FAILED, b'{"error":"E: x"}')

    assert (await waiting).data.error == "E: x"


async def test_who_watches_later_is_told_of_the_end(broker: Broker, environment: Environment, lab: Lab):
    job = new_job()
    lab.submit(job)
    broker.directory.learn([QUEUE])
    waiter = broker.expect(job.id)
    await broker.watch(waiter)
    assert not waiter.done

    end(lab, job.id)

    assert (await waiter.ending(SOON_S)).status is JobStatus.COMPLETE


def test_who_watches_an_ended_job_is_answered_at_once(broker: Broker, lab: Lab):
    job = new_job()
    broker.submit_sync([job])
    end(lab, job.id)
    waiter = broker.expect(job.id)

    broker.watch_sync(waiter)

    assert waiter.done
    assert waiter.ending_sync(0).status is JobStatus.COMPLETE


def test_an_end_between_expecting_and_watching_is_not_missed(broker: Broker, lab: Lab):
    jobs = [new_job() for _ in range(20)]
    broker.submit_sync(jobs)
    waiters = [broker.expect(job.id) for job in jobs]
    claimed = lab.claim(20).jobs

    def settle() -> None:
        for job in claimed:
            lab.settle(job.id, job.token, JobStatus.COMPLETE)

    racing = threading.Thread(target=settle)
    racing.start()
    for waiter in waiters:
        broker.watch_sync(waiter)
    racing.join()

    assert {waiter.ending_sync(SOON_S).status for waiter in waiters} == {JobStatus.COMPLETE}


@pytest.mark.parametrize("after", [False, True])
def test_the_waiter_of_a_losing_id_gets_the_winners_end(broker: Broker, lab: Lab, after: bool):
    winner, loser = new_job(key="7"), new_job(key="7", reply=broker.client_id)
    broker.submit_sync([winner, loser])
    waiter = broker.expect(loser.id)
    if after:
        end(lab, winner.id)
    broker.watch_sync(waiter)
    if not after:
        end(lab, winner.id)

    ending = waiter.ending_sync(SOON_S)

    assert (ending.job_id, ending.status) == (winner.id, JobStatus.COMPLETE)


def test_all_who_wait_for_one_job_are_answered(broker: Broker, environment: Environment, lab: Lab):
    elsewhere = Broker(environment)
    job = new_job(reply=broker.client_id)
    broker.submit_sync([job])
    waiters = [broker.expect(job.id), broker.expect(job.id), elsewhere.expect(job.id)]
    elsewhere.watch_sync(waiters[-1])

    end(lab, job.id)

    assert {waiter.ending_sync(SOON_S).status for waiter in waiters} == {JobStatus.COMPLETE}
    elsewhere.close()
    elsewhere.mailbox.join(10)


def test_waits_in_two_queues_are_answered(broker: Broker, lab: Lab, valkey_url: str, namespace: str):
    """The mailbox reads the first queue already when the second is opened: it must be woken for it."""
    other = Lab(valkey_url, namespace, queue="reports")
    other.register()
    for each in (lab, other):
        job = new_job(queue=each.keys.queue, reply=broker.client_id)
        waiter = broker.expect(job.id)
        broker.submit_sync([job])

        end(each, job.id)

        assert waiter.ending_sync(SOON_S).status is JobStatus.COMPLETE
    other.close()


def test_an_unknown_job_is_not_found(broker: Broker):
    job_id = new_job_id(QUEUE)
    waiter = broker.expect(job_id)
    broker.watch_sync(waiter)

    with pytest.raises(JobNotFound, match=job_id):
        waiter.ending_sync(SOON_S)


def test_waiting_too_long_ends_the_wait_and_not_the_job(broker: Broker, lab: Lab):
    job = new_job(reply=broker.client_id)
    waiter = broker.expect(job.id)
    broker.submit_sync([job])

    with pytest.raises(TimeoutError, match="it goes on"):
        waiter.ending_sync(0.01)

    assert lab.status(job.id) == JobStatus.QUEUED
    end(lab, job.id)
    assert waiter.ending_sync(SOON_S).status is JobStatus.COMPLETE


def test_replies_that_were_read_are_trimmed(broker: Broker, lab: Lab):
    for _ in range(3):
        job = new_job(reply=broker.client_id)
        waiter = broker.expect(job.id)
        broker.submit_sync([job])
        end(lab, job.id)
        waiter.ending_sync(SOON_S)

    assert len(lab.at(f"replies:{broker.client_id}")["entries"]) <= 1
