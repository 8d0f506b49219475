"""Rows become ticks in a process that need not have their functions, whatever the database does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.db import connections

from tests.broker.lab import Lab
from tests.schedules import tasks
from tests.schedules.ticks import envelopes_of, ticks_of
from tests.waiting import wait_until
from upnext_django.connection import get_broker
from upnext_django.core.missed import MissedRunPolicy
from upnext_django.declare.registry import registry
from upnext_django.models import Schedule
from upnext_django.operations import schedules
from upnext_django.runtime.ticker import Ticker
from upnext_django.runtime.timetable import Timetable
from upnext_django.schedules.reader import ScheduleReader

NOTE = tasks.note.name
SECONDLY = {"expression": "* * * * * *", "missed_run_policy": MissedRunPolicy.CATCH_UP}

Watch = Callable[..., None]


@pytest.fixture(autouse=True)
def unknown(lab: Lab) -> Iterator[None]:
    """Have a process that knows no task, as one of another project's part."""
    with registry.isolated():
        yield


@pytest.fixture
def watch(lab: Lab) -> Iterator[Watch]:
    """Give what begins to tick the rows of a database."""
    running: list[Any] = []

    def begin(using: str = "default") -> None:
        broker = get_broker()
        timetable = Timetable()
        for service in (ScheduleReader(broker, timetable, using=using), Ticker(broker, timetable)):
            running.append(service)
            service.start()

    yield begin
    for service in running:
        service.stop()
    for service in running:
        assert service.join(10)


def registered(lab: Lab, **changes: Any) -> None:
    """Have a worker's registration of the task ``note`` in Redis."""
    told = {**tasks.note.definition.as_json(), **changes}
    lab.run(b"HSET", get_broker().names.functions, NOTE, msgspec.json.encode(told))


def keep(name: str = "every second", **fields: Any) -> Schedule:
    given: dict[str, Any] = {"function": NOTE, "kwargs": {"word": "hi"}, **SECONDLY, **fields}
    return schedules.add(name=name, allow_unknown=True, **given)


def ticked(lab: Lab, name: str, number: int = 2) -> None:
    wait_until(lambda: len(ticks_of(lab).get(name, ())) >= number, f"{name} has ticked {number} times", 20)


def test_a_tick_is_made_of_what_a_worker_registered(lab: Lab, watch: Watch):
    registered(lab, retries=4, timeout=12.5, function_name="Note")
    keep(priority=3)

    watch()

    ticked(lab, "every second")
    envelope = next(iter(envelopes_of(lab).values()))
    assert (envelope.function, envelope.function_name, envelope.kind) == (NOTE, "Note", "cron")
    assert (envelope.max_attempts, envelope.timeout, envelope.priority) == (5, 12.5, 3)
    assert bytes(envelope.args) == b'[[],{"word":"hi"}]'


def test_an_alias_leads_to_the_function(lab: Lab, watch: Watch):
    registered(lab, aliases=["old.note"])
    keep(function="old.note")

    watch()

    ticked(lab, "every second")
    assert {envelope.function for envelope in envelopes_of(lab).values()} == {NOTE}


def test_the_job_of_an_unknown_function_waits(lab: Lab, watch: Watch):
    keep(function="shop.tasks.later", queue="schedules")

    watch()

    ticked(lab, "every second")
    assert lab.at("stream:shop.tasks.later:1") is not None


def test_a_row_that_makes_no_sense_keeps_no_other_from_ticking(lab: Lab, watch: Watch):
    registered(lab)
    keep("spoilt")
    keep("unfit")
    Schedule.objects.filter(name="spoilt").update(expression="nonsense")
    Schedule.objects.filter(name="unfit").update(kwargs={"wrd": 1})
    keep("good")

    watch()

    ticked(lab, "good")
    assert ticks_of(lab).keys() == {"good"}


def test_no_run_is_made_after_the_end(lab: Lab, watch: Watch):
    registered(lab)
    row = keep()
    watch()
    ticked(lab, "every second", 3)

    schedules.change(row.name, ends_at=row.begins_at, starts_at=None)
    last = max(ticks_of(lab)["every second"])
    keep("witness")

    ticked(lab, "witness", 3)
    assert max(ticks_of(lab)["every second"]) == last


def test_a_function_that_moved_to_another_queue_goes_on_there(lab: Lab, watch: Watch):
    """Its ticks are counted in each queue apart: the new one must not make up for all since its creation."""
    registered(lab)
    row = keep(expression="* * * * *")
    Schedule.objects.update(begins_at=row.begins_at.replace(year=2020))
    last = lab.now_ms() // 60_000 * 60_000
    lab.run(b"HSET", lab.keys.prefix + "cron", row.key, last)
    lab.run(b"SADD", get_broker().names.queues, lab.keys.queue)
    moved = Lab(get_broker().url, get_broker().environment.namespace, queue="elsewhere")
    registered(lab, queue="elsewhere")
    keep("witness")

    watch()

    ticked(moved, "witness")
    assert all(at > last for at in ticks_of(moved).get(row.name, ()))
    moved.close()


def test_a_redis_that_lost_its_data_makes_nobody_catch_up(lab: Lab, watch: Watch):
    """As a cron in code does, the row begins anew: its creation may be years ago."""
    registered(lab)
    row = keep()
    Schedule.objects.update(begins_at=row.begins_at.replace(year=2020))
    lab.run(b"DEL", lab.keys.ticks)
    lost = lab.now_ms()

    watch()

    ticked(lab, "every second", 3)
    assert min(ticks_of(lab)["every second"]) >= lost


@pytest.fixture
def file_database(tmp_path: Path, rows: None) -> Iterator[Path]:
    """Give a database of its own under the alias "apart"."""
    path = tmp_path / "apart.sqlite3"
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
    connections.databases["apart"] = connections.configure_settings({"default": settings})["default"]
    call_command("migrate", "upnext", database="apart", verbosity=0)
    connections["apart"].close()
    yield path
    connections["apart"].close()
    del connections["apart"]
    del connections.databases["apart"]


def test_what_is_known_ticks_on_while_the_database_is_away(
    lab: Lab, watch: Watch, file_database: Path, caplog: pytest.LogCaptureFixture
):
    registered(lab)
    fields = {"function": NOTE, "kwargs": {"word": "hi"}, **SECONDLY}
    Schedule.objects.using("apart").create(name="before", **fields)
    connections["apart"].close()
    watch("apart")
    ticked(lab, "before")

    shutil.move(file_database, file_database.with_suffix(".away"))
    get_broker().schedules.bump_sync()
    wait_until(lambda: "Those known stay in force" in caplog.text, "the reader has noticed", 20)
    seen = len(ticks_of(lab)["before"])
    ticked(lab, "before", seen + 3)

    file_database.unlink(missing_ok=True)
    shutil.move(file_database.with_suffix(".away"), file_database)
    Schedule.objects.using("apart").create(name="after", **fields)
    connections["apart"].close()
    ticked(lab, "after")
    made = ticks_of(lab)["before"]
    assert made == list(range(made[0], made[-1] + 1, 1000))
