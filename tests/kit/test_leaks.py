"""The check that every test's namespace goes through finds what it is there for, and only that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.leaks import delete_namespace, undeclared_keys


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


def test_declared_keys_are_no_leak(client: redis.Redis, namespace: str):
    queue = f"un:{{{namespace}:mail}}:"
    client.hset(f"{queue}job:0199-id", "state", "queued")
    client.xadd(f"{queue}stream:shop.tasks.send:1:d1g35t", {"job": "0199-id"})
    client.zadd(f"{queue}ready:s", {"shop.tasks.send": 1})
    client.hset(f"{queue}cache:shop.tasks.send:d1g35t", "data", "null")
    client.sadd(f"un:{{{namespace}}}:queues", "mail")

    assert undeclared_keys(client, namespace) == []


@pytest.mark.parametrize("name", ["jobs:1", "job:", "stream:shop.tasks.send", "ready:3", "lock:mirror"])
def test_a_key_of_no_declared_name_is_a_leak(client: redis.Redis, namespace: str, name: str):
    key = f"un:{{{namespace}:mail}}:{name}"
    client.hset(key, "field", "value")

    found = undeclared_keys(client, namespace)

    delete_namespace(client, namespace)
    assert found == [f"{key} (hash)"]


def test_a_declared_name_of_another_type_is_a_leak(client: redis.Redis, namespace: str):
    client.set(f"un:{{{namespace}:mail}}:job:1", "not a hash")

    found = undeclared_keys(client, namespace)

    delete_namespace(client, namespace)
    assert found == [f"un:{{{namespace}:mail}}:job:1 (string)"]


def test_a_queues_key_without_a_queue_is_a_leak(client: redis.Redis, namespace: str):
    client.hset(f"un:{{{namespace}}}:job:1", "state", "queued")

    found = undeclared_keys(client, namespace)

    delete_namespace(client, namespace)
    assert found == [f"un:{{{namespace}}}:job:1 (hash)"]


def test_a_namespace_is_deleted_without_its_neighbours(client: redis.Redis, namespace: str):
    neighbour = f"un:{{{namespace}-2}}:queues"
    client.sadd(neighbour, "mail")
    client.sadd(f"un:{{{namespace}}}:queues", "mail")
    client.hset(f"un:{{{namespace}:mail}}:job:1", "state", "queued")

    delete_namespace(client, namespace)

    left = [key.decode() for key in client.scan_iter(match=f"un:{{{namespace}*")]
    client.unlink(neighbour)
    assert left == [neighbour]
