"""A run on SQLite and on PostgreSQL, each filled and opened by a process of its own, and its report."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.__main__ import commit
from tests.benchmarks.history.report import Report
from tests.benchmarks.servers import postgres, redis_server

__all__ = ["run"]


def run(of: str, report: Report, *, description: str | None) -> int:
    """Read the command line, open the pages of ``of``, write ``report``; return the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{of}", description=description)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--tree", type=int, default=10_000, help="how many of them are in the newest tree")
    parser.add_argument("--rounds", type=int, default=5, help="how often each page is opened")
    parser.add_argument("--sqlite", type=Path, help="the file to keep the rows in")
    parser.add_argument("--postgres", help="the URL of the database to keep the rows in")
    parser.add_argument("--output", type=Path, help="write the report here")
    options = parser.parse_args()
    found = {}
    for name, database in (("SQLite", _sqlite(options.sqlite)), ("PostgreSQL", _postgres(options.postgres))):
        with ExitStack() as stack:
            url, version = stack.enter_context(database)
            redis = stack.enter_context(redis_server())
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
            found[name] = {"version": version, **_opened(of, report.bound_ms, options, url, redis.url)}
    facts = {
        "code": commit(),
        "machine": f"{os.cpu_count()} cores, CPython {sys.version.split()[0]}",
        "jobs": f"{options.jobs:,}, the newest tree has {options.tree:,}",
        "rounds": f"{options.rounds}, after one that is not counted",
    }
    text = report.as_markdown(found, facts)
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text)
    return int(bool(report.over(found)))


def _opened(of: str, bound_ms: int, options: argparse.Namespace, url: str, redis_url: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.history.opening", "--of", of, "--slow", str(bound_ms)]
    for name in ("jobs", "tree", "rounds"):
        command += [f"--{name}", str(getattr(options, name))]
    environ = {**os.environ, "UPNEXT_EXAMPLE_DATABASE": url, "UPNEXT_REDIS_URL": redis_url}
    # What its workers did would be missing in the time of the connection's own process.
    environ["PGOPTIONS"] = "-c max_parallel_workers_per_gather=0"
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@contextmanager
def _sqlite(kept: Path | None) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="bench-history-") as folder:
        yield str(kept or Path(folder) / "history.sqlite3"), "WAL, no ANALYZE"


@contextmanager
def _postgres(kept: str | None) -> Iterator[tuple[str, str]]:
    if kept is not None:
        yield kept, "as it was given"
        return
    with postgres() as server:
        url = f"postgres://{server.user}@{server.host}:{server.port}/{server.database}"
        yield url, f"{server.version}, 128 MB of shared buffers"
