"""A Django project's processes: the pool, --processes, --max-jobs, --max-memory, --health-file."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from example_project.shop.models import Product
from tests.django import pooled
from tests.waiting import wait_until
from tests.workers import RunningWorker, database_url, running_worker
from upnext_django import JobNotFound, get_job

START_S = 25.0

Start = Callable[..., AbstractContextManager[RunningWorker]]


@pytest.fixture
def start(project: str, valkey_url: str, tmp_path: Path, rows: None) -> Start:
    """Give what starts a worker of this module's tasks; it must end with code 0."""

    def start_one(*options: str) -> AbstractContextManager[RunningWorker]:
        return running_worker(
            "tests.django.settings",
            "--no-mirror",
            "--only",
            "django-processes",
            *options,
            redis_url=valkey_url,
            namespace=project,
            tasks="tests.django.pooled",
            log=tmp_path / "worker.log",
            environment={"UPNEXT_EXAMPLE_DATABASE": database_url()},
        )

    return start_one


@pytest.fixture
def slug(rows: None) -> Iterator[str]:
    name = f"tea-{uuid.uuid4().hex[:8]}"
    product = Product.objects.create(slug=name, name="Tea", price=Decimal("4.20"))
    yield name
    product.delete()


def ask(task: Any, *args: Any) -> Any:
    return task.submit_sync(*args).value_sync(timeout=START_S)


# -- the pool


def test_django_is_set_up_in_the_processes_and_their_writes_are_seen(start, slug):
    with start() as worker:
        about = ask(pooled.about)

        assert about["parent"] == worker.process.pid
        assert about["settings"] == "tests.django.settings"
        assert ask(pooled.rename, slug, "Assam") == 1
        assert Product.objects.get(slug=slug).name == "Assam"


def test_a_transaction_that_a_task_leaves_open_is_rolled_back_before_the_next(start, slug):
    with start() as worker:
        ask(pooled.leave_a_transaction_open, slug)

        assert ask(pooled.is_in_a_transaction) is False
        assert Product.objects.get(slug=slug).name == "Tea"
        assert "left a transaction open" in worker.printed()


def test_submits_obey_the_transactions_of_the_process(start):
    with start():
        committed, discarded = ask(pooled.submit_and_commit), ask(pooled.submit_and_roll_back)

        wait_until(lambda: get_job(committed).status == "complete", "the committed job has run", START_S)
        with pytest.raises(JobNotFound):
            get_job(discarded)


# -- several workers


def test_several_workers_share_the_jobs_under_one_parent_and_one_screen(start):
    with start("--processes", "2") as worker:
        pids: set[int] = set()

        def both() -> bool:
            futures = [pooled.worker_pid.submit_sync() for _ in range(20)]
            pids.update(future.value_sync(timeout=START_S) for future in futures)
            return len(pids) == 2

        wait_until(both, "both workers have run jobs", START_S)
        assert worker.process.pid not in pids
        assert worker.printed().count("Slots    4 (") == 1
        assert "in each of 2 processes" in worker.printed()

        os.kill(min(pids), signal.SIGKILL)

        worker.wait_for("starting another")
        pids.remove(min(pids))
        wait_until(both, "the worker was replaced", START_S)


def test_the_workers_drain_and_end_when_their_parent_is_killed(start, tmp_path):
    with pytest.raises(AssertionError, match="Slots"):  # it does not end with 0: it was killed
        kill_the_parent(start)

    assert "stopping: no more work is taken" in (tmp_path / "worker.log").read_text()


def kill_the_parent(start: Start) -> None:
    with start("--processes", "2") as worker:
        pid = ask(pooled.worker_pid)

        worker.process.kill()

        wait_until(lambda: not exists(pid), "the worker has ended", START_S)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- recycling


def test_a_worker_that_has_run_its_jobs_ends_with_zero(start):
    with start("--max-jobs", "3") as worker:
        for _ in range(3):
            ask(pooled.worker_pid)

        assert worker.process.wait(START_S) == 0
        assert "3 jobs have run; draining for a fresh process" in worker.printed()


def test_a_worker_that_takes_more_memory_than_allowed_ends_with_zero(start):
    with start("--max-memory", "400") as worker:
        assert ask(pooled.worker_pid) == worker.process.pid
        ask(pooled.fill_the_worker, 400)

        assert worker.process.wait(START_S) == 0
        assert "MiB are in use; draining" in worker.printed()


def test_the_memory_of_the_pools_processes_counts(start):
    with start("--max-memory", "400") as worker:
        assert ask(pooled.fill, 400) == worker.process.pid

        assert worker.process.wait(START_S) == 0


def test_under_a_parent_a_recycled_worker_is_replaced(start):
    with start("--processes", "1", "--max-jobs", "2"):
        first = ask(pooled.worker_pid)
        ask(pooled.worker_pid)

        wait_until(lambda: ask(pooled.worker_pid) != first, "another process runs the jobs", START_S)


# -- health


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one", "two"])
def test_the_health_file_is_touched_again_and_again_and_removed_at_the_end(start, tmp_path, processes):
    health = tmp_path / "health"
    with start("--health-file", str(health), *processes) as worker:
        wait_until(health.exists, "the worker is well", START_S)
        os.utime(health, (1, 1))

        wait_until(lambda: health.stat().st_mtime > 1, "the file is touched again", START_S)

        worker.process.terminate()
        assert worker.process.wait(START_S) == 0
    assert list(tmp_path.glob("health*")) == []


@pytest.mark.parametrize(
    ("option", "value"), [("--processes", "0"), ("--max-jobs", "none"), ("--max-memory", "-1")]
)
def test_a_number_that_makes_no_sense_is_refused(start, option, value):
    with pytest.raises(
        AssertionError, match=rf"argument {option}: '{value}' is not a whole number of 1 or more"
    ):
        start(option, value).__enter__()
