"""How many jobs a second the mirror folds and writes, without a Redis.

    python -m tests.benchmarks.mirror_speed [--jobs 20000] [--batch 500]

Runs on SQLite in a temporary folder, and on PostgreSQL too if ``UPNEXT_TEST_POSTGRES_URL`` names a server
where databases may be made. Each job has its complete life: submitted, claimed and settled, with one
attempt. ``together`` has all three moves of a job in one batch, as in a mirror that catches up;
``submit apart`` has the submit in an earlier one, as behind a backlog; ``apart`` has each in its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from tests.postgres import VARIABLE, fresh_database
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move

ENVELOPE = (
    b'{"v":1,"fn":"shop.tasks.send_receipt","name":"send_receipt","args":[[48213],'
    b'{"email":"ada@example.com","lines":[{"sku":"A-1","count":2}]}],"max":3,"timeout":1800.0}'
)
CLAIM = b'{"worker":"web1-4242-9f3a","attempt":1}'


def life(at_ms: int) -> list[tuple[str, JobMove]]:
    """Return the three moves of one job of the queue ``shop``."""
    job_id = new_job_id("shop")
    ending = b'{"attempt":1,"started":%d,"result":{"sent":true,"id":"r-1"}}' % (at_ms + 5)
    return [
        ("shop", JobMove(job_id, 1, at_ms, Move.SUBMITTED, JobStatus.QUEUED, 0, 0, ENVELOPE)),
        ("shop", JobMove(job_id, 2, at_ms + 5, Move.CLAIMED, JobStatus.ACTIVE, 1, 0, CLAIM)),
        ("shop", JobMove(job_id, 3, at_ms + 9, Move.SETTLED, JobStatus.COMPLETE, 1, 3_600_000, ending)),
    ]


def lives(jobs: int) -> list[list[tuple[str, JobMove]]]:
    start_ms = time.time_ns() // 1_000_000
    return [life(start_ms + number // 20) for number in range(jobs)]


def batches(moves: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(moves), size):
        yield moves[start : start + size]


def together(jobs: int, size: int) -> Iterator[list[tuple[str, JobMove]]]:
    for batch in batches(lives(jobs), size):
        yield [move for one in batch for move in one]


def submit_apart(jobs: int, size: int) -> Iterator[list[tuple[str, JobMove]]]:
    for batch in batches(lives(jobs), size):
        yield [one[0] for one in batch]
        yield [move for one in batch for move in one[1:]]


def apart(jobs: int, size: int) -> Iterator[list[tuple[str, JobMove]]]:
    for batch in batches(lives(jobs), size):
        for place in range(3):
            yield [one[place] for one in batch]


def measure(name: str, work: Iterable[list[tuple[str, JobMove]]], jobs: int) -> str:
    """Fold and write ``work`` and return a line that says how it went."""
    from upnext_django.mirror.fold import fold
    from upnext_django.mirror.writing import write

    groups = list(work)
    folding_s = 0.0
    writes_s: list[float] = []
    for group in groups:
        start = time.perf_counter()
        changes = fold(group)
        middle = time.perf_counter()
        write(changes)
        writes_s.append(time.perf_counter() - middle)
        folding_s += middle - start
    writing_s = sum(writes_s)
    longest_ms = sorted(writes_s)[int(len(writes_s) * 0.99) - 1] * 1e3
    return (
        f"{name:>13}: {jobs / (folding_s + writing_s):>7,.0f} jobs/s "
        f"(fold {folding_s / jobs * 1e6:.0f} us, write {writing_s / jobs * 1e6:.0f} us a job; "
        f"99 % of transactions under {longest_ms:.0f} ms)"
    )


@contextmanager
def sqlite() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="upnext-bench-") as folder:
        yield {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(folder) / "history.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }


@contextmanager
def postgresql() -> Iterator[dict[str, Any]]:
    with fresh_database() as url:
        parts = conninfo_to_dict(url)
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts["dbname"],
            "HOST": parts.get("host", ""),
            "PORT": parts.get("port", ""),
            "USER": parts.get("user", ""),
            "PASSWORD": parts.get("password", ""),
        }


def run(database: dict[str, Any], jobs: int, size: int) -> None:
    """Measure everything on one database; once a process, since Django is set up once."""
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "upnext_django"],
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        UPNEXT={"REDIS_URL": "redis://127.0.0.1:6379/0"},
    )
    django.setup()
    call_command("migrate", "upnext", verbosity=0)
    sys.stdout.write(f"{connection.vendor}, {jobs} jobs, {size} a batch\n")
    measure("warm-up", together(2 * size, size), 2 * size)
    for name, work in (("together", together), ("submit apart", submit_apart), ("apart", apart)):
        sys.stdout.write(measure(name, work(jobs, size), jobs) + "\n")
        sys.stdout.flush()
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500)
    options = parser.parse_args()
    places = [sqlite, postgresql] if os.environ.get(VARIABLE) else [sqlite]
    for place in places:
        # A child each: Django takes its databases once a process.
        child = os.fork()
        if child == 0:
            with place() as database:
                run(database, options.jobs, options.batch)
            return
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"The run on {place.__name__} failed.")


if __name__ == "__main__":
    main()
