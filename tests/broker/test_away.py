"""What a caller hears when Redis is not there, has no memory left, or knows the caller by a limited name."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ResponseError

from tests.broker.lab import FUNCTION, Lab, new_job
from tests.timing import fastest_of_three
from upnext_django.broker.broker import Broker
from upnext_django.broker.link import SyncLink
from upnext_django.core.environment import Environment
from upnext_django.core.lifecycle import JobStatus
from upnext_django.embedded import EmbeddedValkey
from upnext_django.exceptions import RedisUnavailable

AT_MOST_S = 2.0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[str]:
    """Give the URL of a server that is this test's alone to stop."""
    server = EmbeddedValkey.ephemeral(tmp_path)
    yield server.ensure()
    server.release()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Give the URL of something that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://:s3cret@127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"redis://user:s3cret@127.0.0.1:{port}/0"


def stop(url: str) -> None:
    link = SyncLink(url)
    with pytest.raises(RedisUnavailable):
        link.execute([b"SHUTDOWN", b"NOSAVE"], repeat=False)


def test_a_server_that_stopped_is_unavailable_and_nothing_was_queued(own_server: str):
    broker = Broker(Environment(redis_url=own_server))
    broker.submit_sync([new_job()])
    stop(own_server)
    began = time.monotonic()

    with pytest.raises(RedisUnavailable, match="nothing was queued"):
        broker.submit_sync([new_job()])

    assert time.monotonic() - began < AT_MOST_S
    broker.close()


async def test_a_server_that_stopped_fails_what_was_submitted_soon(
    own_server: str, caplog: pytest.LogCaptureFixture
):
    broker = Broker(Environment(redis_url=own_server))
    await broker.submit([new_job()])
    stop(own_server)
    job = new_job()

    with pytest.raises(RedisUnavailable, match="nothing was queued"):
        await asyncio.wait_for(broker.submit_soon(job), AT_MOST_S)

    assert job.id in caplog.text
    broker.close()


@pytest.mark.parametrize("which", ["closed_url", "silent_url"])
def test_redis_that_does_not_answer_is_unavailable_within_two_seconds(
    request: pytest.FixtureRequest, which: str
):
    url = request.getfixturevalue(which)

    def seconds_until_unavailable() -> float:
        broker = Broker(Environment(redis_url=url))
        began = time.monotonic()
        with pytest.raises(RedisUnavailable) as caught:
            broker.submit_sync([new_job()])
        took_s = time.monotonic() - began
        assert "s3cret" not in f"{caught.value} {caught.value.url}"
        assert ":***@127.0.0.1" in str(caught.value)
        broker.close()
        return took_s

    assert fastest_of_three(seconds_until_unavailable, AT_MOST_S) < AT_MOST_S


@pytest.mark.parametrize("which", ["closed_url", "silent_url"])
def test_a_loop_hears_it_within_two_seconds_too(request: pytest.FixtureRequest, which: str):
    url = request.getfixturevalue(which)

    async def seconds_until_unavailable() -> float:
        broker = Broker(Environment(redis_url=url))
        began = time.monotonic()
        with pytest.raises(RedisUnavailable, match="nothing was queued") as caught:
            await broker.submit([new_job()])
        took_s = time.monotonic() - began
        assert "s3cret" not in str(caught.value)
        broker.close()
        return took_s

    assert fastest_of_three(lambda: asyncio.run(seconds_until_unavailable()), AT_MOST_S) < AT_MOST_S


async def test_a_full_redis_refuses_submits_and_lets_running_work_end(own_server: str):
    """A submit that was only scheduled hung for ever: the refusal was no error the batcher knew."""
    lab = Lab(own_server, "full")
    lab.register()
    claimed = lab.claim_one()
    broker = Broker(Environment(redis_url=own_server, namespace="full"))
    await broker.submit([new_job()])
    lab.run(b"CONFIG", b"SET", b"maxmemory", 1)

    with pytest.raises(RedisUnavailable, match="nothing was queued"):
        await broker.submit([new_job()])
    with pytest.raises(RedisUnavailable, match="nothing was queued"):
        await asyncio.wait_for(broker.submit_soon(new_job()), AT_MOST_S)

    assert lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE) == JobStatus.COMPLETE
    broker.close()
    lab.close()


async def test_a_refusal_by_the_servers_rules_reaches_who_waits_for_a_scheduled_send(
    valkey_url: str, lab: Lab, environment: Environment
):
    """The same hang as with a full server: any error reply but those the link knows left the future open."""
    lab.run(b"SADD", lab.keys.prefix + "events", b"not a stream")
    broker = Broker(environment)

    with pytest.raises(RedisUnavailable, match="wrong kind of value"):
        await asyncio.wait_for(broker.submit_soon(new_job()), AT_MOST_S)

    lab.run(b"DEL", lab.keys.prefix + "events")
    broker.close()


def test_a_limited_user_runs_every_script(valkey_url: str, lab: Lab):
    """The user that docs recommend: the scripts' commands and the namespace's keys, nothing else."""
    name, allowed = (
        f"user-{lab.keys.namespace}",
        (
            b"-@all +eval +evalsha +script|load +@stream +@hash +@sortedset +@set +get +incr "
            b"+exists +pexpire +llen +rpush +blpop +time +publish +del +ping"
        ),
    )
    pattern = f"~un:{{{lab.keys.namespace}*"
    lab.run(b"ACL", b"SETUSER", name, b"on", b">s3cret", pattern, *allowed.split())
    limited = Lab(as_user(valkey_url, name), lab.keys.namespace, queue="limited")
    try:
        run_every_script(limited)

        with pytest.raises(ResponseError, match=r"(?i)permission"):
            limited.run(b"GET", b"un:{another}:turn")
        with pytest.raises(ResponseError, match=r"(?i)permission"):
            limited.run(b"KEYS", b"*")
    finally:
        limited.close()
        lab.run(b"ACL", b"DELUSER", name)


def as_user(url: str, name: str) -> str:
    parts = urlsplit(url)
    return parts._replace(
        netloc=f"{name}:s3cret@{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")
    ).geturl()


def run_every_script(lab: Lab) -> None:
    lab.register()
    first = lab.claim_one(key="7", reply="c1", parent_id="p", expires_ms=1_000_000)
    assert lab.report(first.id, first.token, progress=1.0) == "OK"
    lab.renew((first.id, first.token))
    lab.watch(first.id, "c2")
    for _ in range(4):
        lab.run(
            b"XCLAIM",
            f"{lab.keys.prefix}{lab.fields(first.id)['stream']}",
            b"workers",
            b"worker",
            0,
            lab.fields(first.id)["entry"],
            b"IDLE",
            10_000_000,
            b"JUSTID",
        )
        lab.let_recover()
        assert lab.recover() == 1
        lab.claim()
    assert lab.status(first.id) == JobStatus.FAILED
    for target in (JobStatus.RETRYING, JobStatus.QUEUED, JobStatus.COMPLETE):
        claimed = lab.claim_one(function=FUNCTION, lane=0)
        assert lab.settle(claimed.id, claimed.token, target, delay_ms=1_000_000) == target
        lab.claim(5)
    running = lab.claim_one()
    lab.cancel(running.id, lab.submit_one(delay_ms=1_000_000))
