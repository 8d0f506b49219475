"""Whoever dies, and wherever: exactly the jobs of committed transactions run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker

from example_project import databases
from example_project.shop.models import Order
from tests.databases import migrated
from tests.fleet.processes import Fleet
from tests.fleet.server import DurableServer
from tests.postgres import fresh_database
from tests.waiting import wait_until
from upnext_django.models import OutboxEntry

ROOT = Path(__file__).parents[2]
SUBMITS = 5_000
SHOPPERS = 2
ALIAS = "shop_of_the_crashes"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Give the URL of a database of the shop, which this process knows by ALIAS."""
    with ExitStack() as stack:
        url = str(tmp_path / "shop.sqlite3")
        if request.param == "postgres":
            url = stack.enter_context(fresh_database())
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(migrated(ALIAS, databases.from_url(url)))
        call_command("migrate", "shop", database=ALIAS, verbosity=0)
        yield url


@pytest.fixture
def fleet(server: DurableServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, redis_url=server.url, namespace="crashes", lease_s=2.0)
    yield fleet
    fleet.end()


class Processes:
    """Processes of the shop's site, ended with the test."""

    def __init__(self, folder: Path, redis_url: str, database_url: str) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.outbox_settings",
            "UPNEXT_EXAMPLE_DATABASE": database_url,
            "UPNEXT_EXAMPLE_NAMESPACE": "crashes",
            "UPNEXT_EXAMPLE_DEBUG": "0",
            "UPNEXT_REDIS_URL": redis_url,
        }
        self._started: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, *arguments: Any) -> subprocess.Popen[bytes]:
        log = self._folder / f"site-{len(self._started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started.append((process, log))
        return process

    def end(self) -> None:
        for process, log in self._started:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
            sys.stdout.write(f"--- {process.args!r}\n{log.read_text(errors='replace')[-4000:]}\n")


@pytest.fixture
def processes(tmp_path: Path, server: DurableServer, database_url: str) -> Iterator[Processes]:
    processes = Processes(tmp_path, server.url, database_url)
    yield processes
    processes.end()


@pytest.mark.slow
def test_exactly_the_committed_ones_run(
    fleet: Fleet, server: DurableServer, processes: Processes, tmp_path: Path
):
    """5,000 submits; their processes are killed dozens of times, the relay once, Redis three times."""
    fleet.start(concurrency=10)
    relay = processes.start("manage.py", "upnext_relay")
    each = SUBMITS // SHOPPERS
    shoppers = [
        processes.start(
            "-m", "tests.crash.shoppers", n * each + 1, (n + 1) * each, n, tmp_path / f"progress-{n}"
        )
        for n in range(SHOPPERS)
    ]
    for crash in range(3):
        wait_for_orders(ordered() + 300)
        server.kill()
        wait_until(lambda: left(), "jobs wait in the outbox", 30.0)
        if crash == 0:
            relay.kill()
            relay.wait()
        server.start()
        if crash == 0:
            processes.start("manage.py", "upnext_relay")

    for shopper in shoppers:
        assert shopper.wait(60) == 0
    wait_until(lambda: not left(), "the outbox is empty", 60.0)
    committed = {email.partition("@")[0] for email in orders().values_list("email", flat=True)}
    wait_until(lambda: committed <= set(fleet.ledger.words()), "every committed job has run", 60.0)

    lines = fleet.ledger.lines()
    assert {line.word for line in lines} == committed
    assert set(Counter(word for word, _ in {(line.word, line.job_id) for line in lines}).values()) == {1}
    ids = [line.job_id for line in lines]
    fleet.wait_for_all("quick", ids, 30.0)
    ran = Counter(ids)
    for job_id, job in fleet.jobs(ran).items():
        assert 1 <= ran[job_id] <= job.attempts + job.crashes + job.handbacks
    assert SUBMITS / 3 < len(committed) < SUBMITS


def orders() -> Any:
    return Order.objects.using(ALIAS)


def ordered() -> int:
    return int(orders().count())


def wait_for_orders(count: int) -> None:
    wait_until(lambda: ordered() >= count, f"{count} orders were made", 30.0)


def left() -> int:
    return int(OutboxEntry.objects.using(ALIAS).count())
