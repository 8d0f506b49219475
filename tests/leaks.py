"""Which keys a test may leave behind: those of docs/explanation/engine.md, with their types."""

from __future__ import annotations

import re
from collections.abc import Iterator

import redis

__all__ = ["delete_namespace", "undeclared_keys"]

_FUNCTION = r"[^:]+"
_PARTITION = rf"{_FUNCTION}(:[^:]+)?"  # a function, or a function and the digest of its limit key

_QUEUE_KEYS = {
    r"job:[^:]+": "hash",
    rf"stream:{_FUNCTION}:[012](:[^:]+)?": "stream",
    rf"suspects:{_PARTITION}": "stream",
    r"streams": "set",
    r"ready:[012s]": "zset",
    r"turn": "string",
    r"scheduled|expiring|throttled": "zset",
    rf"rate:{_PARTITION}": "zset",
    rf"function:{_FUNCTION}": "hash",
    rf"cache:{_FUNCTION}:[^:]+": "hash",
    rf"leaders:{_FUNCTION}": "hash",
    rf"parked:{_FUNCTION}:[^:]+": "zset",
    r"paused": "string",
    r"cron": "hash",
    r"revision:.+": "string",
    rf"keys:{_FUNCTION}": "hash",
    r"children:[^:]+": "set",
    rf"dead:{_FUNCTION}": "zset",
    r"capabilities": "zset",
    r"capability:[^:]+": "set",
    rf"knows:{_FUNCTION}": "set",
    r"bell:[^:]+": "list",
    r"looked:[^:]+:[^:]+": "hash",
    r"inbox:[^:]+": "stream",
    r"replies:[^:]+": "stream",
    r"events": "stream",
    r"recovery": "hash",
}

_NAMESPACE_KEYS = {
    r"queues": "set",
    r"functions|workers": "hash",
    r"handlers:[^:]+": "hash",
    r"lease:(bulk|mirror|prune|relay(:.+)?)": "string",
    r"id:.+": "string",
    r"once:[0-9a-f]+": "string",
    r"feed": "stream",
    r"config": "string",
}


def undeclared_keys(client: redis.Redis, namespace: str) -> list[str]:
    """Return "key (type)" of every key of ``namespace`` that the keys table does not have."""
    found = []
    for keys in _keys_of(client, namespace):
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
        for key, kind in zip(keys, pipeline.execute(), strict=True):
            # "none": expired since it was listed.
            if kind != b"none" and not _is_declared(key.decode(), kind.decode()):
                found.append(f"{key.decode()} ({kind.decode()})")
    return sorted(found)


def delete_namespace(client: redis.Redis, namespace: str) -> None:
    """Delete every key of ``namespace`` and no other: the server may be shared."""
    for keys in _keys_of(client, namespace):
        client.unlink(*keys)


def _keys_of(client: redis.Redis, namespace: str) -> Iterator[list[bytes]]:
    for pattern in (f"un:{{{namespace}}}:*", f"un:{{{namespace}:*"):
        cursor = 0
        while True:
            cursor, keys = client.scan(cursor, match=pattern, count=1000)
            if keys:
                yield [key for key in keys if isinstance(key, bytes)]
            if not cursor:
                break


def _is_declared(key: str, kind: str) -> bool:
    place = re.fullmatch(r"un:\{[^:}]+(?P<queue>:[^:}]+)?\}:(?P<name>.+)", key, re.DOTALL)
    if place is None:
        return False
    declared = _QUEUE_KEYS if place["queue"] else _NAMESPACE_KEYS
    return any(
        kind == wanted and re.fullmatch(name, place["name"], re.DOTALL) for name, wanted in declared.items()
    )
