"""Redis killed, or silent: workers go on by themselves, and nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.fleet.server import DurableServer
from tests.timing import fastest_of_three
from tests.waiting import wait_until
from upnext_django.broker.broker import Broker
from upnext_django.core.environment import Environment
from upnext_django.core.lifecycle import Move
from upnext_django.exceptions import RedisUnavailable

START_S = 10.0
LOAD_S = 60.0  # no time is promised under load


@pytest.fixture
def fleet(server: DurableServer, tmp_path: Path) -> Iterator[Fleet]:
    """Give worker processes on that server."""
    fleet = Fleet(tmp_path, redis_url=server.url, namespace="away", lease_s=2.0)
    yield fleet
    fleet.end()


class Customer(threading.Thread):
    """Submits one job after the other; ``accepted`` are those that Redis took."""

    def __init__(self) -> None:
        super().__init__(name="customer", daemon=True)
        self.accepted: list[str] = []
        self.refused = 0
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.is_set():
            try:
                self.accepted.append(jobs.work.submit(5).job_id)
            except RedisUnavailable:
                self.refused += 1
            self._done.wait(0.001)

    def wait_for_refusal(self) -> None:
        seen = self.refused
        wait_until(lambda: self.refused > seen, "a submit was refused", LOAD_S)

    def finish(self) -> None:
        self._done.set()
        self.join()


def test_three_crashes_of_redis_under_load_lose_nothing(fleet: Fleet, server: DurableServer):
    workers = [fleet.start(concurrency=10), fleet.start(concurrency=10)]
    customer = Customer()
    customer.start()
    try:
        for _ in range(3):
            fleet.ledger.wait_for("work", fleet.ledger.count("work") + 200, LOAD_S)
            server.kill()
            customer.wait_for_refusal()
            server.start()
        seen = len(customer.accepted)
        wait_until(lambda: len(customer.accepted) > seen + 100, "submits work again", LOAD_S)
    finally:
        customer.finish()

    fleet.wait_for_all("quick", customer.accepted, LOAD_S)

    ran = Counter(line.job_id for line in fleet.ledger.lines("work"))
    ended = fleet.endings("quick")
    for job_id, job in fleet.jobs(customer.accepted).items():
        assert job.status == "complete"
        assert ended[job_id] == 1
        assert 1 <= ran[job_id] <= job.attempts + job.crashes + job.handbacks
    assert [worker.stop() for worker in workers] == [0, 0]


def test_a_stream_that_is_added_while_redis_is_away_is_read_when_it_is_back(server: DurableServer):
    """A worker opens its inboxes as it starts, and goes on whatever Redis does then."""
    broker = Broker(Environment(redis_url=server.url, namespace="away"))
    heard: list[bytes] = []
    server.kill()
    for key in ("first", "second"):
        broker.mailbox.open(key, lambda fields: heard.append(fields[b"said"]))
    server.start()

    with redis.Redis.from_url(server.url) as client:
        client.xadd("second", {"said": "here"})

    wait_until(lambda: heard == [b"here"], "the second stream is read", START_S)
    broker.close()


def test_a_job_that_runs_while_redis_is_away_runs_once(fleet: Fleet, server: DurableServer):
    """It ends while there is nobody to tell; the ending waits for Redis."""
    worker = fleet.start()
    future = jobs.hold.submit("end")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    server.kill()
    fleet.ledger.open("end")
    wait_until(lambda: fleet.ledger.count("ended") == 1, "the job has ended", START_S)
    server.start()

    assert future.value_sync(timeout=START_S) == worker.pid
    job = fleet.job(future.job_id)
    assert (job.attempts, job.crashes) == (1, 0)
    assert fleet.ledger.words() == ["begun", "ended"]


def test_a_wait_outlives_a_crash_of_redis(fleet: Fleet, server: DurableServer):
    fleet.start()
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(jobs.hold.wait_sync("end").value))
    waiting.start()
    wait_until(lambda: fleet.ledger.count("begun") == 1, "the job runs", START_S)

    server.kill()
    server.start()
    fleet.ledger.open("end")

    wait_until(lambda: answers, "the wait is answered", START_S + 5)
    waiting.join()


BACK = {"kill": "start", "freeze": "thaw"}


def assert_says_what_to_do(error: RedisUnavailable, server: DurableServer, way: str) -> None:
    text = str(error)
    assert server.url_masked in text
    assert server.password not in text
    assert "nothing was queued" in text
    # One that was killed can be started; of one that hangs nobody knows more than that.
    assert {"kill": "Start Redis", "freeze": "Look at its load"}[way] in text
    assert "UPNEXT_REDIS_URL" in text
    assert error.url == server.url_masked


@pytest.mark.parametrize("way", ["kill", "freeze"])
@pytest.mark.parametrize("known", [True, False], ids=["connected", "new"])
def test_a_submit_without_redis_fails_within_2_s_and_says_what_to_do(
    fleet: Fleet, server: DurableServer, way: str, known: bool
):
    def seconds_until_refused() -> float:
        if known:
            jobs.add.submit(1, 2)
        getattr(server, way)()
        began = time.monotonic()
        with pytest.raises(RedisUnavailable) as raised:
            jobs.add.submit(1, 2)
        took_s = time.monotonic() - began
        assert_says_what_to_do(raised.value, server, way)
        getattr(server, BACK[way])()
        return took_s

    assert fastest_of_three(seconds_until_refused, 2.0) < 2.0


@pytest.mark.parametrize("way", ["kill", "freeze"])
def test_an_async_submit_without_redis_fails_within_2_s_and_says_what_to_do(
    fleet: Fleet, server: DurableServer, way: str
):
    async def seconds_until_refused() -> float:
        await jobs.add.submit(1, 2)
        await asyncio.to_thread(getattr(server, way))
        began = time.monotonic()
        with pytest.raises(RedisUnavailable) as raised:
            await jobs.add.submit(1, 2)
        took_s = time.monotonic() - began
        assert_says_what_to_do(raised.value, server, way)
        await asyncio.to_thread(getattr(server, BACK[way]))
        return took_s

    assert fastest_of_three(lambda: asyncio.run(seconds_until_refused()), 2.0) < 2.0


def test_a_worker_that_starts_before_redis_waits_for_it(fleet: Fleet, server: DurableServer):
    server.kill()
    worker = fleet.start()
    wait_until(lambda: "Could not reach Redis" in worker.log(), "the worker looks for Redis", START_S)

    server.start()

    assert jobs.add.submit(1, 2).value_sync(timeout=START_S) == 3
    assert server.password not in worker.log()


def test_a_worker_stops_while_redis_is_away(fleet: Fleet, server: DurableServer):
    worker = fleet.start_ready()
    server.kill()
    wait_until(lambda: "Could not reach Redis" in worker.log(), "the worker has noticed", START_S)

    code = worker.stop(timeout=20.0)
    server.start()

    assert code == 0


def test_workers_go_on_with_a_redis_that_forgot_everything(fleet: Fleet, server: DurableServer):
    """Their registrations, the groups and the scripts are gone as well; what ran then is stopped."""
    fleet.start()
    assert jobs.add.submit(1, 2).value_sync(timeout=START_S) == 3
    jobs.hold.submit("never")
    wait_until(lambda: fleet.ledger.count("begun") == 1, "a job runs", START_S)

    with fleet.broker.clients.sync() as link:
        link.execute([b"FLUSHALL"])
        link.execute([b"SCRIPT", b"FLUSH"])

    wait_until(lambda: fleet.ledger.count("stopped") == 1, "the forgotten job is stopped", START_S)
    assert jobs.add.submit(3, 4).value_sync(timeout=START_S) == 7
    assert jobs.add.options(delay=0.1).submit(5, 6).value_sync(timeout=START_S) == 11


def test_files_made_while_redis_was_away_are_listed_before_their_job_ends(
    fleet: Fleet, server: DurableServer
):
    """Reports were dropped when Redis was away, and with them the rows that lead to written files."""
    fleet.start()
    future = jobs.make_artifacts_behind.submit("go", 3)
    fleet.ledger.wait_for("begun", 1)
    server.kill()
    fleet.ledger.open("go")
    fleet.ledger.wait_for("made", 1)
    server.start()

    ids = future.value_sync(timeout=3 * START_S)

    told = [
        facts[0]
        for one in fleet.moves("quick")
        if one.move is Move.REPORTED
        for facts in msgspec.json.decode(one.data).get("artifacts", ())
    ]
    assert set(ids) <= set(told)
