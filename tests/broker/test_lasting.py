"""What must still work after weeks: readers that meet what they cannot read, loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from pathlib import Path

import pytest

from tests.broker.lab import QUEUE, Lab, new_job
from tests.timing import fastest_of_three
from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.core.lifecycle import JobStatus
from upnext_django.embedded import EmbeddedValkey
from upnext_django.exceptions import RedisUnavailable


def test_an_ending_that_cannot_be_read_does_not_end_the_reader(lab: Lab, broker: Broker):
    """The mailbox's thread died of it, and every later wait took up to 10 s."""
    broker.directory.learn([QUEUE])
    first, second = new_job(reply=broker.client_id), new_job(reply=broker.client_id)
    waiter, other = broker.expect(first.id), broker.expect(second.id)
    broker.submit_sync([first, second])
    box = lab.keys.replies(broker.client_id)
    lab.run(b"XADD", box, b"*", b"j", first.id, b"s", b"?", b"t", b"1", b"d", b"{}")

    for job in lab.claim(2).jobs:
        lab.settle(job.id, job.token, JobStatus.COMPLETE, b'{"attempt":1,"started_ms":1}')

    assert other.ending_sync(5.0).status is JobStatus.COMPLETE
    waiter.close()


def test_loops_that_ended_are_freed(lab: Lab, broker: Broker):
    """Each loop was kept by its own batch of submits: async_to_sync makes one a request."""

    class Mark:
        pass

    async def submit() -> Mark:
        mark = asyncio.get_running_loop().mark = Mark()  # type: ignore[attr-defined]
        await broker.submit_soon(new_job())
        return mark

    for _ in range(3):
        asyncio.run(submit())

    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Mark)]


def test_a_redis_that_hangs_fails_all_waiting_calls_within_2_s(tmp_path: Path):
    """Calls of one loop queue up; each of them waited for its own timeout after those before it."""
    server = EmbeddedValkey.ephemeral(tmp_path)
    broker = Broker(Environment(redis_url=server.ensure(), namespace="hangs"))
    with broker.clients.sync() as link:
        info = link.execute([b"INFO", b"server"]).decode()
    pid = int(info.partition("process_id:")[2].split()[0])

    async def ask() -> float:
        await broker.directory.queues()
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        answers = await asyncio.gather(*(broker.directory.queues() for _ in range(5)), return_exceptions=True)
        took_s = time.monotonic() - began
        assert all(isinstance(answer, RedisUnavailable) for answer in answers)
        os.kill(pid, signal.SIGCONT)
        return took_s

    try:
        assert fastest_of_three(lambda: asyncio.run(ask()), 3.0) < 3.0
    finally:
        os.kill(pid, signal.SIGCONT)
        broker.close()
        server.release()


def test_a_wait_outlives_a_redis_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Asking again, the belt for lost answers, raised where the answer itself would have come in time."""
    monkeypatch.setattr("upnext_django.broker.waiter.ASK_AGAIN_S", 0.2)
    server = EmbeddedValkey.ephemeral(tmp_path)
    url = server.ensure()
    broker, lab = Broker(Environment(redis_url=url, namespace="away")), Lab(url, "away")
    lab.register()
    job = new_job(reply=broker.client_id)
    broker.submit_sync([job])
    (claimed,) = lab.claim().jobs

    async def wait() -> JobStatus:
        waiter = broker.expect(job.id)
        waiting = asyncio.ensure_future(waiter.ending(10.0))
        lab.run(b"REPLICAOF", b"127.0.0.1", b"1")
        await asyncio.wait([waiting], timeout=0.6)
        lab.run(b"REPLICAOF", b"NO", b"ONE")
        lab.settle(job.id, claimed.token, JobStatus.COMPLETE, b'{"attempt":1,"started_ms":1}')
        return (await waiting).status

    try:
        assert asyncio.run(wait()) is JobStatus.COMPLETE
    finally:
        broker.close()
        lab.close()
        server.release()
