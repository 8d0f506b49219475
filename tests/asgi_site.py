"""The project served by a real uvicorn, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.server import free_port
from tests.waiting import wait_until

__all__ = ["AsgiSite", "served_by_asgi"]

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class AsgiSite:
    """Where it listens, and its process."""

    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory_kib(self) -> int:
        """Return what it holds in memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def served_by_asgi(
    settings: str, *, database: str, namespace: str, redis_url: str, log: Path
) -> Iterator[AsgiSite]:
    """Give the site of the settings module ``settings``, up and running."""
    port = free_port()
    command = ["-m", "uvicorn", "tests.browser.asgi:application", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--timeout-graceful-shutdown", "1", "--no-access-log"],
            cwd=_ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": settings,
                "UPNEXT_EXAMPLE_DATABASE": database,
                "UPNEXT_EXAMPLE_NAMESPACE": namespace,
                "UPNEXT_REDIS_URL": redis_url,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "Uvicorn running" in log.read_text(), "the site is up under ASGI", timeout=60)
        yield AsgiSite(port, process.pid, log)
    finally:
        process.terminate()
        process.wait(20)
