"""The mirror's thread: it keeps up, stands by, and waits out what is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections

from tests.mirror.lives import move
from tests.mirror.streams import Streams
from tests.waiting import wait_until
from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.mirror.service import MirrorService
from upnext_django.models import FunctionRecord, JobRecord, WorkerRecord


@contextmanager
def running(streams: Streams, using: str) -> Iterator[MirrorService]:
    service = MirrorService(streams, using=using)
    service.start()
    try:
        yield service
    finally:
        service.stop()
        assert service.join(10)


def job_id(number: int) -> str:
    return f"{number:036x}"


def submitted(number: int) -> JobMove:
    return move(1, Move.SUBMITTED, JobStatus.QUEUED, job_id=job_id(number), data={"fn": "m.f"})


def completed(number: int) -> JobMove:
    return move(
        3,
        Move.SETTLED,
        JobStatus.COMPLETE,
        job_id=job_id(number),
        token=1,
        extra=60_000,
        data={"attempt": 1, "started": 5},
    )


def count(using: str) -> int:
    return JobRecord.objects.using(using).count()


def test_a_drain_leaves_nothing_unread(history: str) -> None:
    streams = Streams()
    for number in range(0, 3_000, 100):
        streams.tell(*(submitted(number + one) for one in range(100)))

    with running(streams, history) as service:
        assert service.drain(30)

        assert count(history) == 3_000
    assert streams.entries == {}
    assert streams.owner is None


def test_an_ended_job_gets_its_ttl_after_its_row(history: str) -> None:
    streams = Streams()
    streams.tell(submitted(1))
    streams.tell(completed(1), queue="q")

    with running(streams, history) as service:
        assert service.drain(10)

    assert streams.ttls == [("q", job_id(1), 60_000)]
    assert JobRecord.objects.using(history).get().status == "complete"


def test_a_second_mirror_stands_by_and_takes_over(history: str) -> None:
    streams = Streams()
    with running(streams, history) as first:
        wait_until(lambda: streams.owner, "the first mirror is active")
        active = streams.owner
        with running(streams, history) as second:
            streams.tell(submitted(1))
            assert second.drain(10)
            assert streams.owner == active

            first.stop()
            assert first.join(10)
            streams.tell(submitted(2))

            assert second.drain(10)
            assert count(history) == 2
            assert streams.owner != active


def test_it_waits_for_redis_and_goes_on(history: str, caplog: pytest.LogCaptureFixture) -> None:
    streams = Streams(away=True)
    with caplog.at_level(logging.INFO, "upnext.mirror"), running(streams, history) as service:
        wait_until(lambda: "waits for Redis" in caplog.text, "the mirror says that it waits")
        streams.set_away(False)
        streams.tell(submitted(1))

        assert service.drain(20)
        assert count(history) == 1
        wait_until(lambda: "Redis is back" in caplog.text, "the mirror says that it goes on")
    assert caplog.text.count("waits for Redis") == 1


def test_it_waits_for_the_database_and_goes_on(history: str, caplog: pytest.LogCaptureFixture) -> None:
    connection = connections[history]
    table = JobRecord._meta.db_table
    streams = Streams()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        with running(streams, history) as service:
            streams.tell(submitted(1))
            streams.tell(completed(1))
            wait_until(lambda: "waits for the database" in caplog.text, "the mirror says that it waits")
            assert streams.ttls == []
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")

            assert service.drain(20)
            assert JobRecord.objects.using(history).get().status == "complete"
    finally:
        if "elsewhere" in connection.introspection.table_names():
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")
    assert caplog.text.count("waits for the database") == 1


def test_data_that_cannot_be_read_blocks_nothing(history: str, caplog: pytest.LogCaptureFixture) -> None:
    streams = Streams()
    streams.tell(move(1, Move.SUBMITTED, JobStatus.QUEUED, job_id=job_id(1), data=b"{"))
    streams.tell(submitted(2), broken=(b"1 2 three",))

    with running(streams, history) as service:
        assert service.drain(10)

        assert service.skipped == 2
    assert "1 2 three" in caplog.text
    assert f"job {job_id(1)} cannot be read" in caplog.text
    assert JobRecord.objects.using(history).get(id=job_id(2)).function == "m.f"


def test_it_copies_workers_and_functions(history: str) -> None:
    streams = Streams(
        registered_workers={
            "w1": {"host": "web1", "pid": 7, "queues": ["q"], "concurrency": 4, "seen_ms": 1_780_000_000_000}
        },
        registered_functions={"m.f": {"function_name": "f", "queue": "q", "retries": 3}},
    )

    with running(streams, history):
        worker = wait_until(
            lambda: WorkerRecord.objects.using(history).filter(left_at=None).first(), "the worker is there"
        )
        function = wait_until(lambda: FunctionRecord.objects.using(history).first(), "the function is there")
        streams.registered_workers = {}
        wait_until(
            lambda: WorkerRecord.objects.using(history).exclude(left_at=None).exists(), "the worker has left"
        )

    assert worker is not None
    assert function is not None
    assert (worker.id, worker.host, worker.concurrency, worker.queues) == ("w1", "web1", 4, ["q"])
    assert (function.function_name, function.queue) == ("f", "q")
    assert function.definition["retries"] == 3
