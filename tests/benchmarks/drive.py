"""Run one measurement of one contestant: fill, start its worker, wait for its jobs, end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from time import monotonic, sleep

from tests.benchmarks.contestants import HERE, Contestant
from tests.benchmarks.servers import Postgres, RedisServer

__all__ = ["Bench", "Latency", "MeasurementFailed", "Stamps"]

LIMIT_S = 90.0
END_S = 15.0


class MeasurementFailed(RuntimeError):
    """A worker or client ended early or too late; the message has its last lines of output."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from a submit to its result in the submitter's hands."""

    p50: float
    p95: float
    p99: float


class Stamps:
    """The times at which the jobs of one run ran, in a file that its workers map."""

    def __init__(self, path: Path, jobs: int) -> None:
        """Make the file at ``path`` for ``jobs`` jobs, none of which has run."""
        path.write_bytes(bytes(8 * jobs))
        self.path = path
        self.jobs = jobs
        self.seen = 0

    def clear(self) -> None:
        """Forget what has run; workers that map the file go on with it."""
        with self.path.open("r+b") as file:
            file.write(bytes(8 * self.jobs))
        self.seen = 0

    def times(self) -> memoryview[float]:
        """Return the monotonic second of each job by its number; 0.0 has not run."""
        return memoryview(self.path.read_bytes()).cast("d")

    def missing(self) -> int:
        """Return how many jobs have not run."""
        return sum(1 for at in self.times() if at == 0.0)

    def complete(self) -> bool:
        """Tell whether every job has run."""
        times = self.times()
        # Jobs run about in order: go on from the first that was missing the last time.
        while self.seen < self.jobs and times[self.seen] != 0.0:
            self.seen += 1
        return self.seen == self.jobs

    def rate(self, *, end: float | None = None, skip: float = 0.0) -> float:
        """Return jobs a second from the first job to the last, or to the monotonic second ``end``.

        ``skip`` leaves out that share of the jobs that ran first, while not all workers were up.
        """
        times = sorted(self.times())[int(self.jobs * skip) :]
        return (len(times) - 1) / ((times[-1] if end is None else end) - times[0])


class Bench:
    """The two servers and a scratch folder, and the measurements that need them."""

    def __init__(self, redis: RedisServer, postgres: Postgres, folder: Path) -> None:
        """Take servers that run and a folder for logs and stamps."""
        self.redis = redis
        self.postgres = postgres
        self.folder = folder
        self.client = redis.client()

    def environ(self, contestant: Contestant, extra: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a contestant's processes: its own programs first."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DJANGO", "PG"))
        }
        return {
            **kept,
            **self.postgres.environ,
            "PATH": f"{contestant.python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "PYTHONPATH": os.pathsep.join(
                str(path) for path in (contestant.folder, HERE / "job", HERE.parents[1])
            ),
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "BENCH_REDIS": self.redis.url,
            # RQ's command line reads its server from here.
            "RQ_REDIS_URL": self.redis.url,
            **contestant.environ,
            **extra,
        }

    def call(
        self, contestant: Contestant, *words: str, extra: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        """Run the contestant's ``client.py`` with ``words`` and return what it printed, parsed."""
        command = [str(contestant.python), str(contestant.folder / "client.py"), *words]
        done = subprocess.run(
            command,
            env=self.environ(contestant, extra or {}),
            cwd=contestant.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            raise MeasurementFailed(f"{contestant.name} {' '.join(words)}:\n{tail(done.stderr)}")
        printed: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return printed

    @contextmanager
    def worker(
        self, contestant: Contestant, task: str, extra: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run the contestant's worker for ``task`` until the block ends; its whole group is ended then."""
        start = contestant.starts[task]
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                start.command,
                env=self.environ(contestant, {**start.environ, **(extra or {})}),
                cwd=contestant.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process
            except (MeasurementFailed, subprocess.TimeoutExpired) as failure:
                log.seek(0)
                output = log.read().decode(errors="replace")
                raise MeasurementFailed(
                    f"{failure}\n{' '.join(start.command)} said:\n{tail(output)}"
                ) from failure
            finally:
                end(process)

    def drain(
        self,
        contestant: Contestant,
        task: str,
        jobs: int,
        *,
        workers: int = 1,
        skip: float = 0.0,
        environ: Mapping[str, str] | None = None,
    ) -> float:
        """Queue ``jobs``, then start ``workers``; return jobs a second between the first and the last.

        ``skip`` is that of Stamps.rate(); ``environ`` is for the processes. Raises MeasurementFailed if
        the jobs have not all run within 90 s.
        """
        self.client.flushall()
        stamps = Stamps(self.folder / "stamps", jobs)
        extra = {"BENCH_STAMPS": str(stamps.path), **(environ or {})}
        self.call(contestant, "fill", task, str(jobs), extra=extra)
        with ExitStack() as running:
            processes = [running.enter_context(self.worker(contestant, task, extra)) for _ in range(workers)]
            for process in processes:
                self.wait_until_complete(contestant, stamps, process)
            end = self.settled(contestant)
        return stamps.rate(end=end, skip=skip)

    def settled(self, contestant: Contestant) -> float | None:
        """Return the monotonic second at which all of its streams were empty; None without a pattern."""
        if not contestant.streams:
            return None
        deadline = monotonic() + LIMIT_S
        while any(
            self.client.xlen(key) for key in self.client.scan_iter(contestant.streams, count=1_000_000)
        ):
            if monotonic() > deadline:
                raise MeasurementFailed(
                    f"{contestant.name}: jobs that ran were not settled within {LIMIT_S:g} s."
                )
            sleep(0.005)
        return monotonic()

    def wait_until_complete(
        self, contestant: Contestant, stamps: Stamps, process: subprocess.Popen[bytes]
    ) -> None:
        """Return once every job has run; raises MeasurementFailed when the worker ends or 90 s pass."""
        deadline = monotonic() + LIMIT_S
        while not stamps.complete():
            if process.poll() is not None or monotonic() > deadline:
                raise MeasurementFailed(
                    f"{contestant.name}: {stamps.missing()} of {stamps.jobs} jobs did not run; "
                    f"exit {process.poll()}."
                )
            sleep(0.02)

    def enqueue(self, contestant: Contestant, jobs: int) -> float:
        """Return the jobs a second that one process queues one after the other, each confirmed by Redis."""
        self.client.flushall()
        task = "sync" if "sync" in contestant.starts else "async"
        seconds = self.call(contestant, "enqueue", task, str(jobs))["seconds"]
        assert isinstance(seconds, float)
        return jobs / seconds

    def echo(self, contestant: Contestant, jobs: int) -> Latency:
        """Return how long a result takes from an idle worker, waited for in the contestant's own way."""
        self.client.flushall()
        extra = {"BENCH_RESULTS": "1"}
        with self.worker(contestant, "echo", extra):
            taken = self.call(contestant, "echo", str(jobs), extra=extra)["ms"]
        assert isinstance(taken, list)
        cuts = quantiles(taken, n=100, method="inclusive")
        return Latency(cuts[49], cuts[94], cuts[98])


def end(process: subprocess.Popen[bytes]) -> None:
    """End a worker and all that it started: SIGTERM, and SIGKILL for what is left after 15 s."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # Its children share its session's group, which outlives it while one of them does.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tail(text: str) -> str:
    """Return the last 15 lines."""
    return "\n".join(text.splitlines()[-15:])
