"""Why a job does not run: every reason, with a real worker."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import upnext_django as upnext
from tests.fundamentals.waiting_reasons import (
    capped,
    capped_each,
    fails,
    hold,
    parent,
    rated,
    slow,
    stubborn,
)
from tests.waiting import wait_until
from tests.workers import RunningWorker
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.operations import control
from upnext_django.operations.waiting import Reason, Standing, why

TASKS = "tests.fundamentals.waiting_reasons"

pytestmark = pytest.mark.usefixtures("worker", "rows")

absent = upnext.Worker("absent")


@absent.task
async def nobody_serves_its_queue() -> None: ...


@upnext.task(queue="reasons")
async def nobody_knows() -> None: ...


@pytest.fixture(scope="module", autouse=True)
def told(worker: RunningWorker) -> None:
    """Wait until the worker has told of itself: until then none is running."""
    wait_until(get_broker().workers, "the worker tells of itself", timeout=20)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[str]:
    """Give a file whose jobs hold until the test has ended."""
    path = tmp_path / "gate"
    yield str(path)
    path.touch()


def becomes(future: upnext.Future[Any], reason: Reason) -> Standing:
    """Wait until a job stands like this: the workers tell of themselves every 5 s."""

    def standing() -> Standing | None:
        found = why(future.job_id)
        return found if found.reason is reason else None

    return wait_until(standing, f"the job's reason is {reason}", timeout=20)  # type: ignore[return-value]


def inspect(*words: str) -> str:
    out = StringIO()
    call_command("upnext_inspect", *words, stdout=out)
    return out.getvalue()


def without_age(text: str) -> str:
    return re.sub(r"\d+ s ago", "- s ago", text)


def test_it_runs(gate: str):
    standing = becomes(hold.submit(gate), Reason.RUNNING)

    assert standing.facts["worker"] in standing.text


def test_it_has_ended(gate: str):
    Path(gate).touch()
    future = hold.submit(gate)
    future.result_sync(timeout=10)

    assert why(future.job_id).facts == {"status": "complete"}
    assert why(future.job_id).reason is Reason.ENDED


def test_it_is_delayed():
    at = datetime.now(UTC) + timedelta(hours=1)

    standing = why(fails.options(at=at).submit().job_id)

    assert standing.reason is Reason.DELAYED
    assert abs(datetime.fromisoformat(standing.facts["run_at"]) - at) < timedelta(seconds=1)


def test_it_is_retried_later():
    standing = becomes(fails.submit(), Reason.RETRY)

    assert re.search(r"failed; the next is at \S+Z, in [23]\d\d\d\.\d s", standing.text)


@pytest.mark.parametrize(
    ("pause", "resume", "name", "reason"),
    [
        (control.pause_queue, control.resume_queue, "reasons", Reason.QUEUE_PAUSED),
        (control.pause_function, control.resume_function, hold.name, Reason.FUNCTION_PAUSED),
    ],
    ids=["queue", "function"],
)
def test_it_is_paused(
    pause: Callable[[str], bool], resume: Callable[[str], bool], name: str, reason: Reason, gate: str
):
    Path(gate).touch()
    pause(name)
    future = hold.submit(gate)
    standing = why(future.job_id)
    of_all = inspect("functions")

    resume(name)

    assert standing.reason is reason
    assert name in standing.way_out
    assert f"1 wait: {standing.text}" in of_all
    assert future.value_sync(timeout=10) == "opened"


def test_no_worker_serves_its_queue():
    standing = why(nobody_serves_its_queue.submit().job_id)

    assert standing.reason is Reason.NO_WORKER
    assert standing.text == "No running worker serves the queue absent; served are narrow, reasons."


def test_no_worker_knows_its_function():
    future = nobody_knows.submit()

    standing = why(future.job_id)

    assert standing.reason is Reason.NO_WORKER
    assert standing.text == f"No running worker knows {nobody_knows.name} in the queue reasons."
    assert "aliases=" in standing.way_out
    assert f"1 wait: {standing.text}" in inspect("functions")
    assert future.cancel_sync()


def test_the_cap_is_reached_and_its_holder_is_named(gate: str):
    holder = capped.submit(gate)
    becomes(holder, Reason.RUNNING)

    standing = why(capped.submit(gate).job_id)

    assert standing.reason is Reason.CAP
    assert standing.facts == {"cap": 1, "running": 1, "holders": [holder.job_id]}


def test_the_cap_of_one_key_is_reached(gate: str):
    holder = capped_each.submit("a", gate)
    becomes(holder, Reason.RUNNING)

    standing = why(capped_each.submit("a", gate).job_id)

    assert standing.reason is Reason.CAP
    assert standing.facts["holders"] == [holder.job_id]
    assert "for its concurrency_key" in standing.text
    becomes(capped_each.submit("b", gate), Reason.RUNNING)


def test_the_rate_is_used_up_and_opens_later():
    first = rated.submit().result_sync(timeout=10)
    standing = why(rated.submit().job_id)

    assert standing.reason is Reason.RATE
    assert first.started_at is not None
    assert datetime.fromisoformat(standing.facts["opens_at"]) == first.started_at + timedelta(hours=1)


def test_it_waits_for_its_children(gate: str):
    future = parent.submit(gate)

    standing = becomes(future, Reason.CHILDREN)

    (child,) = standing.facts["children"]
    assert why(child).reason is Reason.RUNNING
    assert f"{future.job_id}  {parent.name} (waits for its children)" in inspect("workers")


def test_all_slots_are_taken_and_others_came_first(gate: str):
    becomes(slow.submit(gate), Reason.RUNNING)
    next_one, last = slow.submit(gate), slow.submit(gate)

    standing = becomes(next_one, Reason.SLOTS)
    behind, first_now = why(last.job_id), why(next_one.job_id)

    assert standing.facts["slots"] == standing.facts["used"] == 1
    assert behind.reason is Reason.BEHIND
    assert behind.facts["ahead"] == 1
    assert without_age(behind.text).endswith(without_age(first_now.text))
    assert "narrow\n  2 waiting (0/2/0 above, at, below priority 0)" in inspect("queues")


def test_it_was_asked_to_end(gate: str):
    future = stubborn.submit(gate)
    becomes(future, Reason.RUNNING)

    future.cancel_sync()

    assert why(future.job_id).reason is Reason.CANCELLING


def test_another_job_of_its_key_runs_in_its_place(gate: str):
    winner = hold.submit_idempotent("one", gate)
    loser = hold.submit_idempotent("one", gate)

    standing = why(loser.job_id)

    assert standing.reason is Reason.DUPLICATE
    assert standing.facts == {"winner": winner.job_id}


def test_its_transaction_has_not_committed():
    standing = why(new_job_id("reasons"))

    assert standing.reason is Reason.NOT_SENT
    assert "commits" in standing.text


@pytest.mark.parametrize("job_id", ["no-such-id", "01900000-0000-7000-8000-000000000000"])
def test_what_is_no_job_is_refused(job_id: str):
    with pytest.raises(CommandError, match=f"Job {job_id} is neither in Redis nor in the history"):
        inspect("job", job_id)


def test_one_job_is_explained_as_json(gate: str):
    future = hold.options(delay=3600).submit(gate)

    told = json.loads(inspect("job", future.job_id, "--json"))

    assert told["reason"] == "delayed"
    assert told["job_id"] == future.job_id
    assert inspect("job", future.job_id).startswith("It was submitted to run at ")


@pytest.mark.parametrize("words", [["job"], ["queues", "some-id"], ["nothing"]], ids=" ".join)
def test_a_wrong_use_says_what_would_be_right(words: list[str]):
    with pytest.raises(CommandError, match="job"):
        inspect(*words)


def test_workers_and_jobs_are_listed(gate: str):
    future = hold.submit(gate)
    becomes(future, Reason.RUNNING)

    workers = json.loads(inspect("workers", "--json"))

    (worker,) = workers
    assert worker["report"]["queues"] == ["narrow", "reasons"]
    assert future.job_id in {job["id"] for job in worker["running"]}
    assert f"{future.job_id}  {hold.name}  reasons  on {worker['report']['id']}" in inspect("jobs")
