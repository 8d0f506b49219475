"""A worker as users start it: ``manage.py upnext_worker`` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tests.waiting import wait_until

__all__ = ["READY", "RunningWorker", "database_url", "running_worker"]

_MANAGE = Path(__file__).resolve().parents[1] / "manage.py"
_STOP_S = 20.0

#: The last line of the start screen: signals are heard from here on.
READY = "Stop with Ctrl-C"


class RunningWorker:
    """A worker process; what it prints goes to ``log``."""

    def __init__(self, settings: str, environment: Mapping[str, str], options: tuple[str, ...], log: Path):
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-u", str(_MANAGE), "upnext_worker", "--shutdown-timeout", "2", *options],
                cwd=_MANAGE.parent,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": settings, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Return what the process and its jobs have printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until the process has printed ``text``."""
        said = f"the worker prints {text!r}"
        wait_until(lambda: text in self.printed() or self.process.poll() is not None, said, timeout=60)
        assert text in self.printed(), f"the worker has ended without it:\n{self.printed()}"

    def stop(self) -> int:
        """Ask the process to end and return its exit code; insist after 20 s."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running_worker(
    settings: str,
    *options: str,
    redis_url: str,
    namespace: str,
    tasks: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningWorker]:
    """Give a worker of the module ``tasks``; it must end with code 0 when the context is left.

    ``settings`` is the settings module of its project, ``options`` are those of ``upnext_worker``.
    """
    own = {"UPNEXT_REDIS_URL": redis_url, "UPNEXT_EXAMPLE_NAMESPACE": namespace, "UPNEXT_TEST_TASKS": tasks}
    worker = RunningWorker(settings, {**own, **(environment or {})}, options, log)
    try:
        worker.wait_for(READY)
        yield worker
    finally:
        code = worker.stop()
    assert code == 0, worker.printed()


def database_url() -> str:
    """Return the URL of the database that the tests use, for another process."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(settings["NAME"])
    user = quote(settings["USER"]) + (":" + quote(settings["PASSWORD"]) if settings["PASSWORD"] else "")
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"postgresql://{user}@{settings['HOST']}{port}/{quote(str(settings['NAME']))}"
