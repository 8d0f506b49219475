"""``python -m tests.benchmarks``: measure our side, the plain loop and the peers in interleaved rounds.

Ends with 1 if a bound that was measured does not hold or our side could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from tests.benchmarks import ours, plain
from tests.benchmarks.contestants import HERE, PEERS, Contestant
from tests.benchmarks.drive import Bench, MeasurementFailed
from tests.benchmarks.environments import EnvironmentFailed
from tests.benchmarks.report import OURS, PLAIN, Results, as_json, as_markdown, verdicts
from tests.benchmarks.servers import postgres, redis_server

TASKS = ("async", "sync", "enqueue", "bulk", "echo", "orm", "busy", "mirror", "memory")
QUICK = 0.3


@dataclass(frozen=True, slots=True)
class Run:
    """What one run measures: which workloads, with whom, how often and with which share of the jobs."""

    bench: Bench
    results: Results
    contestants: tuple[Contestant, ...]
    only: frozenset[str]
    rounds: int
    share: float

    def all(self) -> None:
        """Measure everything, in rounds in which the contestants take turns at each workload."""
        for number in range(1, self.rounds + 1):
            say(f"round {number} of {self.rounds}")
            for task in ("async", "sync", "enqueue", "bulk", "echo", "orm", "busy"):
                if task in self.only:
                    for name, measure in self.turns(task):
                        self.one(name, task, measure)
        for task, measure in (("mirror", self.mirror), ("memory", self.memory)):
            if task in self.only:
                self.one(OURS, task, measure)

    def turns(self, task: str) -> Iterator[tuple[str, Callable[[], dict[str, float]]]]:
        """Give who is measured at ``task`` in one round, and how."""
        yield from ((PLAIN, measure) for measure in self.plain(task))
        if task == "bulk":
            yield OURS, lambda: {"bulk": ours.bulk(self.bench, self.jobs(60_000))}
        elif task == "busy":
            yield OURS, self.busy
        else:
            for contestant in self.contestants:
                if task == "enqueue" or task in contestant.starts:
                    yield contestant.name, partial(self.of, contestant, task)

    def plain(self, task: str) -> Iterator[Callable[[], dict[str, float]]]:
        """Give what the plain loop measures at ``task``."""
        server = self.bench.redis
        if task in ("async", "sync"):
            yield lambda: {task: plain.drain(server, self.jobs(100_000))}
        elif task == "enqueue":
            yield lambda: {"enqueue": plain.enqueue(server, self.jobs(40_000))}
            yield lambda: {"raw socket": plain.enqueue_raw(server, self.jobs(40_000))}
        elif task == "bulk":
            yield lambda: {"bulk": plain.enqueue_many(server, self.jobs(60_000))}
        elif task == "orm":
            yield lambda: {"orm bare": ours.bare_threads(self.bench, self.jobs(4_000))}

    def of(self, contestant: Contestant, task: str) -> dict[str, float]:
        """Measure one contestant at a task that all share."""
        if task == "enqueue":
            return {task: self.bench.enqueue(contestant, self.jobs(contestant.enqueue_jobs))}
        jobs = self.jobs(contestant.starts[task].jobs)
        if task == "echo":
            latency = self.bench.echo(contestant, jobs)
            return {"echo p50": latency.p50, "echo p95": latency.p95, "echo p99": latency.p99}
        return {task: self.bench.drain(contestant, task, jobs)}

    def busy(self) -> dict[str, float]:
        """Measure one process beside two."""
        one, two = ours.scaling(self.bench, self.jobs(ours.OURS.starts["busy"].jobs))
        return {"busy 1": one, "busy 2": two}

    def mirror(self) -> dict[str, float]:
        """Measure the mirror on both databases."""
        jobs = self.jobs(ours.OURS.starts["mirror"].jobs)
        return {
            "mirror sqlite": ours.mirror(self.bench, jobs, sqlite=self.bench.folder / "history.sqlite3"),
            "mirror postgres": ours.mirror(self.bench, jobs, sqlite=None),
        }

    def memory(self) -> dict[str, float]:
        """Measure the worker's memory."""
        readings = ours.memory(self.bench, self.jobs(ours.OURS.starts["memory"].jobs))
        return dict(zip(("memory idle", "memory once", "memory twice"), readings, strict=True))

    def jobs(self, count: int) -> int:
        """Return the share of ``count`` that this run makes."""
        return max(100, int(count * self.share))

    def one(self, name: str, task: str, measure: Callable[[], dict[str, float]]) -> None:
        """Keep what ``measure`` gives; what fails is told and kept, and the run goes on."""
        begin = monotonic()
        try:
            found = measure()
        except (MeasurementFailed, EnvironmentFailed, subprocess.TimeoutExpired) as failure:
            self.results.failures.append(f"{name}, {task}: {failure}")
            say(f"  {task:8} {name:15} FAILED: {failure}")
            return
        for workload, value in found.items():
            self.results.add(workload, name, value)
        shown = ", ".join(f"{workload} {value:,.2f}" for workload, value in found.items())
        say(f"  {task:8} {name:15} {shown}  ({monotonic() - begin:.1f} s)")


def main() -> int:
    """Read the command line, run, write the report; return the exit code."""
    options = parser().parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    results = Results()
    contestants = (ours.OURS, *(() if options.no_peers else PEERS))
    begin = monotonic()
    with (
        redis_server() as redis,
        postgres() as database,
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
    ):
        bench = Bench(redis, database, Path(folder))
        results.facts = {
            "code": commit(),
            "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
            f"{platform.python_implementation()} {platform.python_version()}",
            "servers": f"{redis.version}, nothing on disk; PostgreSQL {database.version}, fsync off",
            "rounds": f"{options.rounds}{', quick: fewer jobs' if options.quick else ''}",
            "contestants": {contestant.name: described(contestant) for contestant in contestants},
        }
        ours.require_this_code(bench)
        ours.migrate(bench, ours.OURS)
        run = Run(
            bench,
            results,
            contestants,
            frozenset(options.only or TASKS),
            options.rounds,
            QUICK if options.quick else 1.0,
        )
        run.all()
    results.facts["took"] = f"{monotonic() - begin:.0f} s"
    say(as_markdown(results))
    for path in options.output:
        text = (
            json.dumps(as_json(results), indent=1) + "\n" if path.suffix == ".json" else as_markdown(results)
        )
        path.write_text(text)
    lost = any(failure.startswith(f"{OURS}, ") for failure in results.failures)
    return int(lost or any(verdict.passed is False for verdict in verdicts(results)))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    made.add_argument(
        "--only", action="append", choices=TASKS, help="measure this; may be given several times"
    )
    made.add_argument("--quick", action="store_true", help="one round with fewer jobs")
    made.add_argument("--rounds", type=int, help="how often each is measured (default: 3, quick: 1)")
    made.add_argument("--no-peers", action="store_true", help="leave out the other job systems")
    made.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        help="write the report here: .json or .md; may be given twice",
    )
    return made


def described(contestant: Contestant) -> str:
    """Return a contestant's versions and settings in one line."""
    versions = ", ".join(f"{package} {version}" for package, version in contestant.versions().items())
    chosen = "; ".join(f"{task}: {start.settings}" for task, start in contestant.starts.items())
    return f"{versions}. {chosen}"


def commit() -> str:
    """Return the commit of this repository, marked if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
