"""Our side: how our worker starts, and what is measured of it alone."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path
from time import monotonic, perf_counter, sleep

import psycopg

from tests.benchmarks.contestants import DJANGO, HERE, Contestant, Start
from tests.benchmarks.drive import LIMIT_S, Bench, MeasurementFailed, Stamps

__all__ = [
    "OURS",
    "Memory",
    "bare_threads",
    "bulk",
    "calibrated_loops",
    "memory",
    "migrate",
    "mirror",
    "require_this_code",
    "scaling",
]

WORKER = ("python", "-m", "django", "upnext_worker")
ALONE = (*WORKER, "--no-mirror")
EVENTS = "un:{upnext:bench}:events"
BUSY_S = 200e-6
COMPLETE = (
    "select count(*) from upnext_jobrecord "
    "where status = 'complete' and created_at is not null "
    "and started_at is not null and completed_at is not null"
)

OURS = Contestant(
    name="upnext",
    # What a project installs, as with the peers: what else is in the developer's own environment, redis-py
    # takes in where it finds it (OpenTelemetry).
    requirements=("--editable", f"{HERE.parents[1]}[speed]", *DJANGO),
    folder=HERE / "upnext",
    starts={
        "async": Start(command=ALONE, jobs=40000, settings="concurrency 100"),
        "sync": Start(command=ALONE, jobs=30000, settings="4 threads"),
        "echo": Start(command=ALONE, jobs=500, settings="concurrency 100"),
        "orm": Start(command=ALONE, jobs=4000, settings="4 threads"),
        "busy": Start(command=ALONE, jobs=10000, settings="4 threads, one and two processes"),
        "mirror": Start(command=("python", "-m", "django", "upnext_mirror"), jobs=20000, settings="alone"),
        "memory": Start(command=WORKER, jobs=100000, settings="with the mirror"),
    },
    streams="un:{*}:stream:*",
    environ={"DJANGO_SETTINGS_MODULE": "settings"},
)


class Memory(tuple[float, float, float]):
    """Resident megabytes of a worker: when idle, after the jobs, after as many again."""


def bare_threads(bench: Bench, jobs: int) -> float:
    """Return jobs a second of the ORM job in four threads without any queue."""
    migrate(bench, OURS)
    done = subprocess.run(
        [OURS.python, HERE / "job" / "threads.py", str(jobs)],
        env=bench.environ(OURS, {}),
        cwd=OURS.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MeasurementFailed(done.stderr)
    return float(done.stdout)


def require_this_code(bench: Bench) -> None:
    """Raise MeasurementFailed unless our processes import the upnext_django of this repository."""
    code = "import upnext_django; print(upnext_django.__file__)"
    done = subprocess.run(
        [OURS.python, "-c", code],
        env=bench.environ(OURS, {}),
        cwd=OURS.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = HERE.parents[1] / "upnext_django" / "__init__.py"
    if done.returncode != 0 or Path(done.stdout.strip()) != wanted:
        raise MeasurementFailed(
            f"upnext_django is imported from {done.stdout.strip() or 'nowhere'} and not from {wanted}: "
            f"the numbers would be another version's. {done.stderr[-500:]}"
        )


def migrate(bench: Bench, contestant: Contestant, **extra: str) -> None:
    """Make the tables of the contestant's settings; raises MeasurementFailed with Django's last lines."""
    done = subprocess.run(
        [contestant.python, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"],
        env=bench.environ(contestant, extra),
        cwd=contestant.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MeasurementFailed(f"migrate of {contestant.name}:\n{done.stderr[-1500:]}")


def bulk(bench: Bench, jobs: int) -> float:
    """Return the jobs a second of one ``submit_many`` from sync code."""
    bench.client.flushall()
    seconds = bench.call(OURS, "bulk", "sync", str(jobs))["seconds"]
    assert isinstance(seconds, float)
    return jobs / seconds


def calibrated_loops() -> int:
    """Return how many rounds of the busy job's loop take 200 us here, by the fastest of several tries."""
    rounds = 10_000
    taken = min(timed_loop(rounds) for _ in range(20))
    return max(1, round(rounds * BUSY_S / taken))


def timed_loop(rounds: int) -> float:
    """Return the seconds that the busy job's loop takes."""
    begin = perf_counter()
    total = 0
    for number in range(rounds):
        total += number
    return perf_counter() - begin


def scaling(bench: Bench, jobs: int) -> tuple[float, float]:
    """Return the jobs a second of one and of two processes on jobs of 200 us of Python."""
    environ = {"BENCH_LOOPS": str(calibrated_loops())}
    # The first quarter is left out: two processes do not come up at the same moment.
    one = bench.drain(OURS, "busy", jobs, skip=0.25, environ=environ)
    two = bench.drain(OURS, "busy", jobs * 2, workers=2, skip=0.25, environ=environ)
    return one, two


def mirror(bench: Bench, jobs: int, *, sqlite: Path | None) -> float:
    """Return the jobs a second that the mirror writes, each from submitted to complete.

    The jobs have run before it starts. ``sqlite`` is a file for a new database; None is the
    PostgreSQL. Raises MeasurementFailed if a row is not complete afterwards.
    """
    extra = {} if sqlite is None else {"BENCH_SQLITE": str(sqlite)}
    migrate(bench, OURS, **extra)
    before = complete_rows(bench, sqlite)
    bench.drain(OURS, "async", jobs)
    queued = bench.client.xlen(EVENTS)
    with bench.worker(OURS, "mirror", extra):
        # Its start is not its speed: count from the first batch that it has written.
        left = wait_for_events(bench, below=queued)
        begin = monotonic()
        wait_for_events(bench, below=1)
        seconds = monotonic() - begin
    written = complete_rows(bench, sqlite) - before
    if written != jobs:
        raise MeasurementFailed(f"The mirror wrote {written} complete rows of {jobs} jobs.")
    return jobs * left / queued / seconds


def wait_for_events(bench: Bench, *, below: int) -> int:
    """Return how many entries of events are left, once they are fewer than ``below``."""
    deadline = monotonic() + LIMIT_S
    while (left := bench.client.xlen(EVENTS)) >= below:
        if monotonic() > deadline:
            raise MeasurementFailed(f"The mirror left {left} entries of events within {LIMIT_S:g} s.")
        sleep(0.002)
    return int(left)


def complete_rows(bench: Bench, sqlite: Path | None) -> int:
    """Return how many rows have their whole life: created, started and complete."""
    if sqlite is None:
        with psycopg.connect(bench.postgres.url) as postgres:
            row = postgres.execute(COMPLETE).fetchone()
            return int(row[0]) if row else 0
    with sqlite3.connect(sqlite) as connection:
        return int(connection.execute(COMPLETE).fetchone()[0])


def memory(bench: Bench, jobs: int) -> Memory:
    """Return the worker's resident memory when idle, after ``jobs`` async no-ops and after as many again."""
    bench.client.flushall()
    migrate(bench, OURS)
    readings = []
    stamps = Stamps(bench.folder / "stamps", jobs)
    extra = {"BENCH_STAMPS": str(stamps.path)}
    with bench.worker(OURS, "memory", extra) as process:
        bench.call(OURS, "echo", "1", extra=extra)
        readings.append(resident_mb(process.pid))
        for _ in range(2):
            stamps.clear()
            bench.call(OURS, "fill", "async", str(jobs), extra=extra)
            bench.wait_until_complete(OURS, stamps, process)
            bench.settled(OURS)
            wait_for_events(bench, below=1)
            readings.append(resident_mb(process.pid))
    return Memory(readings)


def resident_mb(pid: int) -> float:
    """Return the resident megabytes of a process, from /proc."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise MeasurementFailed(f"/proc/{pid}/status has no VmRSS; is the worker still running?")
