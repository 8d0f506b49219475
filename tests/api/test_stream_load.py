"""Many clients of one process: none misses an event though they come and go, and memory stays as it is."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from django.contrib.auth.models import User
from django.test import override_settings

from tests.api.load_tasks import STEPS
from tests.asgi_site import AsgiSite, served_by_asgi
from tests.leaks import delete_namespace
from tests.waiting import await_until
from tests.workers import database_url, running_worker
from upnext_django import submit_many
from upnext_django.api.stream import MOST_OF_ONE
from upnext_django.models.token import SCOPES
from upnext_django.operations import tokens

logger = logging.getLogger(__name__)

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    clients: int
    seconds: float
    jobs_a_second: int
    #: Events after which a client hangs up and comes back, from and to.
    patience: tuple[int, int]
    #: What the process may grow by while the jobs run, in MiB.
    growth_mib: int


@dataclass(slots=True)
class Follower:
    """One client: it hangs up again and again and comes back with the last id it had."""

    port: int
    token: str
    function: str
    rng: random.Random
    patience: tuple[int, int]
    ended: list[str] = field(default_factory=list)
    last_id: str = ""
    connections: int = 0

    async def follow(self) -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(self._request())
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
                assert b" 200 " in head.split(b"\r\n")[0], head
                self.connections += 1
                lines = _lines(reader)
                events = self.rng.randint(*self.patience)
                while events > 0:
                    line = await anext(lines)
                    if line.startswith(b"id: "):
                        self.last_id = line[4:].decode()
                    elif line.startswith(b"data: "):
                        self.ended.append(json.loads(line[6:])["job_id"])
                        events -= 1
                    assert not line.startswith(b"event: missed")
            finally:
                writer.close()

    def _request(self) -> bytes:
        lines = [
            f"GET /api/v1/events/stream?event=settled&function={self.function} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self.token}",
            *([f"Last-Event-ID: {self.last_id}"] if self.last_id else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a chunked answer; a long one is cut into chunks anywhere."""
    rest = b""
    while size := int(await reader.readline(), 16):
        rest += (await reader.readexactly(size + 2))[:-2]
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line
    raise AssertionError("the stream has ended")


@pytest.fixture
def site(valkey_url: str, tmp_path: Path, rows: None) -> Iterator[AsgiSite]:
    """Give the site under uvicorn, with a worker and its mirror."""
    namespace = f"test-{uuid.uuid4().hex}"
    own = {"redis_url": valkey_url, "namespace": namespace}
    database = database_url()
    with (
        override_settings(UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace}),
        running_worker(
            "tests.django.settings",
            tasks="tests.api.load_tasks",
            log=tmp_path / "worker.log",
            environment={"UPNEXT_EXAMPLE_DATABASE": database},
            **own,
        ),
        served_by_asgi(
            "tests.api.load_settings", database=database, log=tmp_path / "site.log", **own
        ) as served,
    ):
        yield served
    User.objects.filter(username="follower").delete()
    with redis.Redis.from_url(valkey_url) as client:
        delete_namespace(client, namespace)


@pytest.fixture
def followers(site: AsgiSite, request: pytest.FixtureRequest) -> list[Follower]:
    """Give the clients of the test's load; each token has as many streams as it may."""
    load: Load = request.node.callspec.params["load"]
    user = User.objects.create_superuser("follower")
    made: list[Follower] = []
    for start in range(0, load.clients, MOST_OF_ONE):
        token = tokens.create(f"robot {start}", owner=user, scopes=SCOPES)[1]
        for number in range(start, min(start + MOST_OF_ONE, load.clients)):
            function = STEPS[number % len(STEPS)].name
            made.append(Follower(site.port, token, function, random.Random(number), load.patience))
    return made


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(
            Load(clients=20, seconds=5, jobs_a_second=200, patience=(3, 30), growth_mib=40), id="short"
        ),
        pytest.param(
            Load(clients=200, seconds=60, jobs_a_second=2_000, patience=(300, 2_000), growth_mib=40),
            id="full",
            marks=pytest.mark.soak,
        ),
    ],
)
async def test_clients_that_come_and_go_miss_nothing(site: AsgiSite, followers: list[Follower], load: Load):
    following = [asyncio.create_task(one.follow()) for one in followers]
    await await_until(lambda: all(one.last_id for one in followers), "all follow", PATIENCE_S)

    submitted, memory_kib, took_s = await submit(site, load)

    wanted = {name: sorted(ids) for name, ids in submitted.items()}
    await await_until(
        lambda: check(following) and all(len(one.ended) >= len(wanted[one.function]) for one in followers),
        "each client has heard of each end",
        PATIENCE_S,
    )
    for one in following:
        one.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    assert [sorted(one.ended) == wanted[one.function] for one in followers] == [True] * load.clients
    assert max(memory_kib[len(memory_kib) // 3 :]) - memory_kib[len(memory_kib) // 3] < load.growth_mib * 1024
    count = sum(map(len, submitted.values()))
    logger.info(
        "%d jobs in %.1f s, %d events by %d connections; the site held %d KiB, then %d, at most %d",
        count,
        took_s,
        sum(len(one.ended) for one in followers),
        sum(one.connections for one in followers),
        memory_kib[0],
        memory_kib[len(memory_kib) // 3],
        max(memory_kib),
    )


def check(following: list[asyncio.Task[None]]) -> bool:
    """Raise what a client failed with."""
    for one in following:
        if one.done():
            one.result()
    return True


async def submit(site: AsgiSite, load: Load) -> tuple[dict[str, list[str]], list[int], float]:
    """Submit at the load's pace; return ids by function, what the site held meanwhile, and the time."""
    submitted: dict[str, list[str]] = {step.name: [] for step in STEPS}
    memory_kib: list[int] = []
    numbers = itertools.count()
    began = time.monotonic()
    slice_s = len(STEPS) / load.jobs_a_second * 10
    for turn in range(round(load.seconds / slice_s)):
        for step in STEPS:
            futures = await submit_many(step, [(next(numbers),) for _ in range(10)])
            submitted[step.name] += [one.job_id for one in futures]
        memory_kib.append(site.memory_kib())
        ahead_s = began + (turn + 1) * slice_s - time.monotonic()
        if ahead_s > 0:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=ahead_s)
    return submitted, memory_kib, time.monotonic() - began
