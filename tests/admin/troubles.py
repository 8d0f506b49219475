"""Redis as it should not be: each a real server, or none, in one kind of trouble."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import redis
from django.conf import settings

from tests.broker.lab import QUEUE
from tests.waiting import wait_until
from upnext_django.embedded import EmbeddedValkey, binary

__all__ = ["SECRET", "TROUBLES", "Trouble", "full", "stopped"]

SECRET = "s3cret-of-the-url"

#: Gives the URL of such a Redis, None for none, and what a page says of it.
Trouble = Callable[[], AbstractContextManager[tuple[str | None, str]]]


@contextmanager
def running() -> Iterator[str]:
    """Give the URL of a server of our own, on a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="upnext-") as folder:
        server = EmbeddedValkey.ephemeral(Path(folder))
        try:
            yield server.ensure()
        finally:
            server.release()


@contextmanager
def stopped() -> Iterator[tuple[str, str]]:
    """One that was there and has ended."""
    with running() as url:
        with suppress(redis.ConnectionError), redis.Redis.from_url(url) as client:
            client.shutdown(nosave=True)
        yield url, "Could not reach Redis"


@contextmanager
def silent() -> Iterator[tuple[str, str]]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port = listener.getsockname()[1]
        yield (
            f"redis://:{SECRET}@127.0.0.1:{port}/0",
            "Got no answer in time from Redis at redis://:***@127.0.0.1",
        )


@contextmanager
def slow() -> Iterator[tuple[str, str]]:
    """A server at the end of a line on which each answer takes 1.2 s."""
    with running() as url, socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        with redis.Redis.from_url(url) as client:
            client.sadd(f"un:{{{settings.UPNEXT['NAMESPACE']}}}:queues", QUEUE)
        threading.Thread(target=_forward, args=(listener, urlsplit(url).path, 1.2), daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0", "Got no answer in time from Redis"


@contextmanager
def loading() -> Iterator[tuple[str, str]]:
    """A server that reads its data after a start, for longer than a test lasts."""
    with tempfile.TemporaryDirectory(prefix="upnext-") as folder:
        path = f"{folder}/valkey.sock"
        command = [str(binary.find(path)), "--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""]
        with _process(command), redis.Redis(unix_socket_path=path) as client:
            wait_until(lambda: _says(client, "PONG"), "the server answers")
            # Too big to be squeezed: it looks at its clients whenever it has read a KiB.
            client.mset({str(number): os.urandom(2048) for number in range(10_000)})
            client.save()
        slowly = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"]
        with _process([*command, *slowly]), redis.Redis(unix_socket_path=path) as client:
            wait_until(lambda: _says(client, "loading"), "the server loads")
            yield f"unix://{path}", "Cannot use yet Redis"


@contextmanager
def refusing() -> Iterator[tuple[str, str]]:
    """A server that wants another password."""
    with running() as url, redis.Redis.from_url(url) as client:
        client.config_set("requirepass", "another one")
        yield f"unix://:{SECRET}@{urlsplit(url).path}", "Not let in by Redis"
        client.config_set("requirepass", "")


@contextmanager
def forbidding() -> Iterator[tuple[str, str]]:
    """A server that lets us in and allows nothing."""
    with running() as url, redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "nobody", "on", f">{SECRET}", "+ping", "allkeys")
        yield f"unix://nobody:{SECRET}@{urlsplit(url).path}", "refused"


@contextmanager
def unknown() -> Iterator[tuple[None, str]]:
    """No setting says where Redis is."""
    yield None, "There is no Redis URL"


@contextmanager
def full(url: str) -> Iterator[None]:
    """Let a server have no memory left for what is new."""
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


TROUBLES: list[Trouble] = [stopped, silent, slow, loading, refusing, forbidding, unknown]


@contextmanager
def _process(command: list[str]) -> Iterator[None]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def _says(client: redis.Redis, word: str) -> bool:
    try:
        client.ping()
    except redis.ConnectionError as error:
        return word in str(error)
    return word == "PONG"


def _forward(listener: socket.socket, path: str, delay_s: float) -> None:
    """Take connections until the listener is closed."""
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(path)
            for source, target, wait_s in ((near, far, 0.0), (far, near, delay_s)):
                threading.Thread(target=_copy, args=(source, target, wait_s), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket, wait_s: float) -> None:
    with suppress(OSError), closing(source), closing(target):
        while data := source.recv(65536):
            time.sleep(wait_s)
            target.sendall(data)
