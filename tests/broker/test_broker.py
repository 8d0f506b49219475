"""The broker of one process: batches, lookups, cancelling, connections."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.broker.lab import FUNCTION, QUEUE, Lab, new_job
from tests.waiting import wait_until
from upnext_django.broker.broker import Broker
from upnext_django.broker.keys import NamespaceKeys
from upnext_django.broker.link import AsyncLink, SyncLink
from upnext_django.core.environment import Environment
from upnext_django.core.ids import new_job_id, queue_tag
from upnext_django.core.job import SubmitAnswer
from upnext_django.core.lifecycle import JobStatus
from upnext_django.exceptions import Backpressure

OTHER = "reports"


@pytest.fixture
def other(valkey_url: str, namespace: str) -> Iterator[Lab]:
    """Give a second queue of the namespace."""
    lab = Lab(valkey_url, namespace, queue=OTHER)
    lab.register()
    yield lab
    lab.close()


# -- submitting


def test_many_jobs_of_two_queues_are_answered_in_their_order(broker: Broker, lab: Lab, other: Lab):
    jobs = [new_job(queue=(QUEUE, OTHER)[n % 2]) for n in range(850)]
    broker.submit_sync(jobs[10:20])

    replies = broker.submit_sync(jobs)

    answers = [reply.answer for reply in replies]
    assert answers == [SubmitAnswer.EXISTS if 10 <= n < 20 else SubmitAnswer.ACCEPTED for n in range(850)]
    assert len(lab.at(f"stream:{FUNCTION}:1")["entries"]) == 425
    # 425 jobs are three round trips to each queue, after the one of ten jobs.
    assert [len(each.at("events")["entries"]) for each in (lab, other)] == [4, 4]


async def test_many_jobs_submitted_in_a_loop_are_answered_in_their_order(broker: Broker, lab: Lab):
    jobs = [new_job() for _ in range(450)]
    await broker.submit(jobs[:3])

    replies = await broker.submit(jobs)

    assert [r.answer for r in replies] == [SubmitAnswer.EXISTS] * 3 + [SubmitAnswer.ACCEPTED] * 447


def test_a_stream_of_batches_is_answered_batch_by_batch(broker: Broker, lab: Lab, other: Lab):
    batches = [[new_job(queue=queue) for _ in range(3)] for queue in (QUEUE, QUEUE, OTHER, QUEUE)]

    answers = list(broker.submit_stream_sync(batches))

    assert [[r.answer for r in batch] for batch in answers] == [[SubmitAnswer.ACCEPTED] * 3] * 4
    assert len(lab.at(f"stream:{FUNCTION}:1")["entries"]) == 9
    assert len(other.at(f"stream:{FUNCTION}:1")["entries"]) == 3


def test_a_submit_announces_its_queue(broker: Broker):
    broker.submit_sync([new_job(queue=OTHER), new_job()])

    assert broker.directory.queues_sync() == [QUEUE, OTHER]


async def test_submits_of_one_moment_leave_together(broker: Broker, lab: Lab):
    futures = [broker.submit_soon(new_job()) for _ in range(20)]

    replies = await asyncio.gather(*futures)

    assert {reply.answer for reply in replies} == {SubmitAnswer.ACCEPTED}
    assert len(lab.at("events")["entries"]) == 1


def test_what_was_submitted_soon_is_sent_even_if_the_loop_ends_first(broker: Broker, lab: Lab):
    async def forget() -> str:
        job = new_job()
        broker.submit_soon(job)
        return job.id

    async def forget_in_flight() -> str:
        job = new_job()
        broker.submit_soon(job)
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
        return job.id

    ids = [asyncio.run(forget()), asyncio.run(forget_in_flight())]

    assert [lab.status(job_id) for job_id in ids] == [JobStatus.QUEUED, JobStatus.QUEUED]
    assert len(lab.at(f"stream:{FUNCTION}:1")["entries"]) == 2


def test_backpressure_of_one_queue_does_not_fail_submits_to_another(
    environment: Environment, lab: Lab, other: Lab
):
    """They left in one batch: the second queue's jobs were told "nothing was queued", sent or not."""
    lab.submit(new_job(), new_job())
    broker = Broker(replace(environment, max_events=1))

    async def both() -> list[object]:
        futures = [broker.submit_soon(new_job(queue=queue)) for queue in (OTHER, QUEUE)]
        return list(await asyncio.gather(*futures, return_exceptions=True))

    good, refused = asyncio.run(both())

    assert isinstance(refused, Backpressure)
    assert not isinstance(good, BaseException)
    assert len(other.at(f"stream:{FUNCTION}:1")["entries"]) == 1
    broker.close()


def test_backpressure_names_the_mirror(environment: Environment):
    broker = Broker(replace(environment, max_events=1))
    broker.submit_sync([new_job()])

    with pytest.raises(Backpressure, match=r"1 events wait for the mirror.*nothing queued"):
        broker.submit_sync([new_job()])

    broker.close()


# -- looking


def test_a_bare_id_leads_to_a_job_of_a_queue_this_process_does_not_know(
    broker: Broker, environment: Environment, other: Lab
):
    elsewhere = Broker(environment)
    job = new_job(queue=OTHER)
    elsewhere.submit_sync([job])

    found = broker.job_sync(job.id)

    assert found is not None
    assert (found.id, found.queue, found.status) == (job.id, OTHER, JobStatus.QUEUED)
    elsewhere.close()


async def test_a_bare_id_leads_to_its_job_in_a_loop_too(broker: Broker, other: Lab):
    job = new_job(queue=OTHER)
    other.submit(job)
    other.run(b"SADD", NamespaceKeys(other.keys.namespace).queues, OTHER)

    found = await broker.job(job.id)

    assert found is not None
    assert found.queue == OTHER


def test_a_queue_with_the_tag_of_a_known_one_is_found_too(broker: Broker, environment: Environment):
    """Tags have 16 bits: a process that knew one queue of a tag never looked for the other."""
    first, second = same_tag()
    broker.submit_sync([new_job(queue=first)])
    elsewhere = Broker(environment)
    job = new_job(queue=second)
    elsewhere.submit_sync([job])

    found = broker.job_sync(job.id)

    assert found is not None
    assert found.queue == second
    elsewhere.close()


async def test_a_job_of_such_a_queue_can_be_watched_and_cancelled(broker: Broker, environment: Environment):
    first, second = same_tag()
    await broker.submit([new_job(queue=first)])
    elsewhere = Broker(environment)
    jobs = [new_job(queue=second) for _ in range(2)]
    await elsewhere.submit(jobs)
    waiter = broker.expect(jobs[0].id)

    await broker.watch(waiter)
    assert not waiter.done
    assert await elsewhere.cancel(jobs[0].id)

    assert (await waiter.ending(5)).status is JobStatus.CANCELLED
    fresh = Broker(environment)
    fresh.directory.learn([first])
    assert fresh.cancel_sync(jobs[1].id)
    assert await fresh.job(jobs[1].id) is not None
    for each in (elsewhere, fresh):
        each.close()


def test_an_id_that_was_never_submitted_is_no_job(broker: Broker):
    assert broker.job_sync(new_job_id(QUEUE)) is None
    assert not broker.cancel_sync(new_job_id(QUEUE))


# -- cancelling


def test_cancelling_a_tree_takes_the_live_descendants_of_all_queues_along(
    broker: Broker, lab: Lab, other: Lab
):
    root = lab.claim_one()
    child = new_job(queue=OTHER, parent_id=root.id)
    done = new_job(parent_id=root.id)
    broker.submit_sync([child, done])
    (claimed,) = lab.claim().jobs
    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE)
    grandchild = new_job(parent_id=child.id)
    broker.submit_sync([grandchild])

    assert broker.cancel_sync(root.id, tree=True)

    assert "cancel" in lab.fields(root.id)
    assert other.status(child.id) == JobStatus.CANCELLED
    assert lab.status(grandchild.id) == JobStatus.CANCELLED
    assert lab.status(done.id) == JobStatus.COMPLETE


async def test_cancelling_without_tree_leaves_the_children(broker: Broker, lab: Lab):
    parent = new_job()
    child = new_job(parent_id=parent.id)
    await broker.submit([parent, child])

    assert await broker.cancel(parent.id)

    assert lab.status(child.id) == JobStatus.QUEUED
    assert not await broker.cancel(parent.id)
    assert await broker.cancel(parent.id, tree=True)
    assert lab.status(child.id) == JobStatus.CANCELLED


async def test_cancelling_a_losing_id_cancels_the_winner(broker: Broker, lab: Lab):
    winner, loser = new_job(key="7"), new_job(key="7")
    await broker.submit([winner, loser])

    assert await broker.cancel(loser.id)

    assert lab.status(winner.id) == JobStatus.CANCELLED


# -- connections


def test_scripts_that_the_server_forgot_are_sent_again(broker: Broker, lab: Lab):
    broker.submit_sync([new_job()])
    lab.run(b"SCRIPT", b"FLUSH")

    broker.submit_sync([new_job()])

    assert len(lab.claim(5).jobs) == 2


async def test_scripts_that_the_server_forgot_in_the_middle_of_a_stream_are_sent_again(
    broker: Broker, lab: Lab
):
    await broker.submit([new_job()])
    lab.run(b"SCRIPT", b"FLUSH")

    await broker.submit([new_job()])
    batches = ([new_job()] for _ in forgetful(lab, 4))

    assert len([reply for batch in broker.submit_stream_sync(batches) for reply in batch]) == 4


def test_a_connection_that_died_while_idle_is_replaced_unnoticed(broker: Broker, lab: Lab):
    broker.ping_sync()
    kill_connections(lab)

    broker.submit_sync([new_job()])

    assert len(lab.claim().jobs) == 1


async def test_a_loops_connection_that_died_while_idle_is_replaced_unnoticed(broker: Broker, lab: Lab):
    await broker.directory.queues()
    kill_connections(lab)

    await broker.submit([new_job()])

    assert len(lab.claim().jobs) == 1


async def test_a_cancelled_call_never_answers_the_next(valkey_url: str, lab: Lab):
    link = AsyncLink(valkey_url)
    await link.execute([b"PING"])
    slow = asyncio.ensure_future(link.execute([b"BLPOP", lab.keys.prefix + "bell:none", 1]))
    await asyncio.wait([slow], timeout=0.01)
    slow.cancel()

    answer = await link.execute([b"ECHO", b"mine"])

    assert answer == b"mine"
    await link.close()


def test_a_forked_child_uses_connections_of_its_own(broker: Broker, lab: Lab):
    broker.submit_sync([new_job()])
    waiter = broker.expect(new_job_id(QUEUE))
    gc.collect()
    parents_client = broker.client_id
    pid = os.fork()
    if pid == 0:
        # Nothing of pytest may run in the child, whatever happens.
        code = 1
        try:
            broker.submit_sync([new_job()])
            code = 0 if broker.client_id != parents_client and not broker._waiters else 2
        finally:
            os._exit(code)

    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    broker.submit_sync([new_job()])
    assert len(lab.claim(5).jobs) == 3
    waiter.close()


def test_threads_and_loops_share_a_broker(broker: Broker, lab: Lab):
    async def submit() -> None:
        await broker.submit([new_job()])

    asyncio.run(submit())
    asyncio.run(submit())
    broker.submit_sync([new_job()])

    assert len(lab.claim(5).jobs) == 3


def test_the_connection_of_a_loop_ends_with_it(broker: Broker, lab: Lab, valkey_url: str):
    async def name_and_submit() -> None:
        await broker.clients.current().execute([b"CLIENT", b"SETNAME", lab.keys.namespace.encode()])

    asyncio.run(name_and_submit())

    wait_until(lambda: lab.keys.namespace.encode() not in lab.run(b"CLIENT", b"LIST"), "connection is closed")


def same_tag() -> tuple[str, str]:
    seen: dict[int, str] = {}
    for n in range(100_000):
        queue = f"q{n}"
        if queue_tag(queue) in seen:
            return seen[queue_tag(queue)], queue
        seen[queue_tag(queue)] = queue
    raise AssertionError("a CRC of 16 bits repeats within 65,537 names")


def forgetful(lab: Lab, count: int) -> Iterator[int]:
    for n in range(count):
        lab.run(b"SCRIPT", b"FLUSH")
        yield n


def kill_connections(lab: Lab) -> None:
    """Close every connection but this one, as a server or a firewall does with idle ones."""
    own = SyncLink(lab.link.url)
    own.execute([b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"])
    own.close()
