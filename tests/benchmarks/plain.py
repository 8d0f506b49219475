"""What Redis and redis-py give by themselves: the measure for a loop with nothing around it."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from time import perf_counter
from urllib.parse import urlsplit

import redis

from tests.benchmarks.servers import RedisServer

__all__ = ["drain", "enqueue", "enqueue_many", "enqueue_raw"]

STREAM = "plain"
GROUP = "workers"
BATCH = 200


def drain(server: RedisServer, jobs: int) -> float:
    """Return jobs a second of XREADGROUP 200, a call per job, and XACK with XDEL of the batch."""
    with server.client() as client:
        enqueue_batches(client, jobs)
        client.xgroup_create(STREAM, GROUP, id="0")
        ran = 0
        begin = perf_counter()
        while ran < jobs:
            [[_, entries]] = client.xreadgroup(GROUP, "one", {STREAM: ">"}, count=BATCH)
            for _, fields in entries:
                noop(**json.loads(fields[b"job"])["kwargs"])
            ids = [entry_id for entry_id, _ in entries]
            with client.pipeline(transaction=False) as pipeline:
                pipeline.xack(STREAM, GROUP, *ids)
                pipeline.xdel(STREAM, *ids)
                pipeline.execute()
            ran += len(entries)
        return jobs / (perf_counter() - begin)


def enqueue(server: RedisServer, jobs: int) -> float:
    """Return jobs a second of one confirmed XADD after the other."""
    with server.client() as client:
        client.flushall()
        begin = perf_counter()
        for index in range(jobs):
            client.xadd(STREAM, {"job": body(index)})
        return jobs / (perf_counter() - begin)


def enqueue_many(server: RedisServer, jobs: int) -> float:
    """Return jobs a second of XADD in pipelines of 200."""
    with server.client() as client:
        begin = perf_counter()
        enqueue_batches(client, jobs)
        return jobs / (perf_counter() - begin)


def enqueue_raw(server: RedisServer, jobs: int) -> float:
    """Return the XADD round trips a second of a bare socket with bytes packed in advance."""
    address = urlsplit(server.url)
    with (
        server.client() as client,
        closing(socket.create_connection((address.hostname, address.port))) as raw,
    ):
        client.flushall()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        words = [b"XADD", STREAM.encode(), b"*", b"job", body(0).encode()]
        command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        begin = perf_counter()
        for _ in range(jobs):
            raw.sendall(command)
            raw.recv(256)
        return jobs / (perf_counter() - begin)


def enqueue_batches(client: redis.Redis, jobs: int) -> None:
    """Empty the server and queue ``jobs`` in pipelines of 200."""
    client.flushall()
    for batch in batches(jobs):
        with client.pipeline(transaction=False) as pipeline:
            for index in batch:
                pipeline.xadd(STREAM, {"job": body(index)})
            pipeline.execute()


def batches(jobs: int) -> Iterator[range]:
    """Give the numbers of ``jobs`` jobs, 200 at a time."""
    for first in range(0, jobs, BATCH):
        yield range(first, min(first + BATCH, jobs))


def body(index: int) -> str:
    """Return the JSON of one job, about as long as any peer's."""
    return json.dumps({"id": str(uuid.uuid4()), "function": "tasks.noop", "kwargs": {"index": index}})


def noop(index: int) -> None:
    """Do nothing, as the jobs do."""
