"""Worker processes of one test: started, killed, stopped, and ended with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis
from django.test import override_settings

from tests.fleet.ledger import FOLDER, Ledger
from tests.waiting import wait_until
from upnext_django.broker.broker import Broker
from upnext_django.connection import get_broker
from upnext_django.core.job import JobMove, LiveJob
from upnext_django.core.lifecycle import TERMINAL, Move
from upnext_django.core.moves import parse_move

__all__ = ["Fleet", "WorkerHandle"]

_ROOT = Path(__file__).parent.parent.parent


class WorkerHandle:
    """One worker process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does (-9) and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout: float = 15.0) -> int:
        """Send SIGTERM and return the exit code."""
        self.send(signal.SIGTERM)
        return self.exit_code(timeout)

    def exit_code(self, timeout: float = 15.0) -> int:
        """Wait for its end and return the exit code; that of a killed one is negative."""
        wait_until(self.has_ended, f"worker {self.pid} has ended", timeout)
        return self._process.wait()

    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        return self._process.poll() is not None

    def log(self) -> str:
        """Return what it wrote to its output so far."""
        return self._log.read_text(errors="replace")


class Fleet:
    """The workers of one test, and the broker by which the test submits and looks."""

    def __init__(self, folder: Path, **environment: Any) -> None:
        self._settings = ExitStack()
        self._folder = folder
        self._environment: dict[str, Any] = {}
        self._started: list[WorkerHandle] = []
        self.ledger = Ledger(folder)
        self.configure(**environment)

    def configure(self, **environment: Any) -> None:
        """Change settings, for this process and for the workers that are started from now on."""
        self._environment.update(environment)
        given = {name.upper(): value for name, value in self._environment.items()}
        self._settings.enter_context(override_settings(UPNEXT=given))

    @property
    def broker(self) -> Broker:
        """The broker of the test's process."""
        return get_broker()

    @property
    def lease_s(self) -> float:
        return float(self._environment["lease_s"])

    def start(
        self,
        *,
        modules: Sequence[str] = ("tests.fleet.jobs",),
        workers: Sequence[str] | None = ("quick",),
        **options: Any,
    ) -> WorkerHandle:
        """Start a worker process; ``options`` are those of WorkerOptions. Does not wait for it."""
        order = {
            "environment": self._environment,
            "modules": list(modules),
            "workers": workers,
            "options": options,
        }
        log = self._folder / f"worker-{len(self._started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet.serve", json.dumps(order)],
                cwd=_ROOT,
                env={**os.environ, FOLDER: str(self._folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        worker = WorkerHandle(process, log)
        self._started.append(worker)
        return worker

    def start_ready(self, **given: Any) -> WorkerHandle:
        """Start a worker process and wait until it has registered."""
        worker = self.start(**given)
        wait_until(lambda: worker.pid in self._registered(), f"worker {worker.pid} has registered", 15.0)
        return worker

    def _registered(self) -> set[int]:
        return {about["pid"] for about in self.broker.workers().values()}

    def end(self) -> None:
        """Kill what is left and show the logs: pytest prints them with a failure."""
        for number, worker in enumerate(self._started):
            if not worker.has_ended():
                worker.send(signal.SIGKILL)
                worker.exit_code()
            sys.stdout.write(f"--- worker {number}, pid {worker.pid}\n{worker.log()}\n")
        self.broker.close()
        self._settings.close()

    # -- looking

    def job(self, job_id: str) -> LiveJob:
        """Return the job as Redis has it."""
        job = self.broker.job_sync(job_id)
        assert job is not None, f"job {job_id} is gone"
        return job

    def jobs(self, ids: Iterable[str]) -> dict[str, LiveJob]:
        """Return jobs by id; one that Redis does not have fails the test."""
        return {job_id: self.job(job_id) for job_id in ids}

    def unfinished(self, queue: str, ids: Sequence[str]) -> list[str]:
        """Return those that have not ended; one round trip however many they are."""
        keys = self.broker.keys(queue)
        with self._client() as client:
            pipeline = client.pipeline(transaction=False)
            for job_id in ids:
                pipeline.hget(keys.job(job_id), "state")
            states = pipeline.execute()
        ended = {status.encode() for status in TERMINAL}
        return [job_id for job_id, state in zip(ids, states, strict=True) if state not in ended]

    def wait_for_all(self, queue: str, ids: Sequence[str], timeout: float) -> None:
        """Wait until every job has ended."""
        wait_until(lambda: not self.unfinished(queue, ids), f"{len(ids)} jobs have ended", timeout)

    def moves(self, queue: str) -> list[JobMove]:
        """Return every move that the queue's events tell, in order."""
        # Not by redis-py: it makes a dict of an entry's fields, and a job may have two moves in one entry.
        with self.broker.clients.sync() as link:
            entries = link.execute([b"XRANGE", self.broker.keys(queue).events, b"-", b"+"])
        return [
            parse_move(job_id, raw)
            for _, fields in entries
            for job_id, raw in zip(fields[::2], fields[1::2], strict=True)
        ]

    def endings(self, queue: str) -> Counter[str]:
        """Return how often each job was told to have reached a terminal state."""
        return Counter(move.job_id for move in self.moves(queue) if move.status in TERMINAL)

    def claimed(self, queue: str) -> set[str]:
        """Return the jobs that were ever claimed, also those that were handed back since."""
        return {move.job_id for move in self.moves(queue) if move.move == Move.CLAIMED}

    def dead_letters(self, queue: str) -> list[str]:
        """Return the ids of the queue's dead letters."""
        prefix = self.broker.keys(queue).prefix
        with self._client() as client:
            names = list(client.scan_iter(match=f"{prefix}dead:*", count=1000))
            return [job_id.decode() for name in names for job_id in client.zrange(name, 0, -1)]

    def now_ms(self) -> int:
        """Return Redis's clock, the only one that decides."""
        with self.broker.clients.sync() as link:
            seconds, micros = link.execute([b"TIME"])
        return int(seconds) * 1000 + int(micros) // 1000

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self._environment["redis_url"])
