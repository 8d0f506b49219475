"""Filling a database and Redis with what is measured; Django is set up before this is imported."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import redirect_stdout
from datetime import timedelta

import msgspec
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.broker.lab import Lab
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.models import (
    ArtifactRecord,
    BulkAction,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    LogRecord,
    OutboxEntry,
    Schedule,
)

__all__ = ["LINES", "REPLAYED", "fill", "fill_redis", "fill_storage"]

BESIDES = 20_000
#: The one file that all artifacts lead to.
FILE = "upnext/bench.txt"
SCHEDULES = 200
BULK_ACTIONS = 1_000
#: Log lines of the newest job.
LINES = 5_000
#: Dead letters that were replayed, the oldest ones: so few fill no page, whoever looks for them reads on.
REPLAYED = 20
WAITING, RUNNING = 500, 20


def fill(jobs: int, tree: int) -> float:
    """Have the rows; return how many seconds the jobs took, 0 if they were there."""
    call_command("migrate", verbosity=0)
    took_s = 0.0
    if JobRecord.objects.order_by("pk")[:jobs].count() < jobs:
        begin = time.monotonic()
        with redirect_stdout(sys.stderr):
            call_command("upnext_seed", jobs=jobs, tree=tree, yes=True)
        took_s = time.monotonic() - begin
    if not Schedule.objects.exists():
        _besides()
    if connection.vendor == "postgresql":
        # What autovacuum does by itself within a minute.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return took_s


def _besides() -> None:
    """Write what upnext_seed does not: artifacts, the outbox, schedules, keys, a long log, bulk actions."""
    now = timezone.now()
    owners = list(JobRecord.objects.order_by("-id").values_list("id", flat=True)[:BESIDES])
    function = FunctionRecord.objects.values_list("pk", flat=True)[0]
    ArtifactRecord.objects.bulk_create(
        (
            ArtifactRecord(
                id=new_job_id("web"),
                job_id=owner,
                name=f"report-{place}.txt",
                artifact_type="text" if place % 5 else "csv",
                size_bytes=6,
                path=FILE,
                created_at=now,
            )
            for place, owner in enumerate(owners)
        ),
        batch_size=2_000,
    )
    OutboxEntry.objects.bulk_create(
        (
            OutboxEntry(job_id=new_job_id("web"), function=function, queue="web", item=b"{}", created_at=now)
            for _ in owners
        ),
        batch_size=2_000,
    )
    BulkAction.objects.bulk_create(
        BulkAction(verb="retry", status="done", until=now, asked_at=now, ended_at=now, total=7, done=7)
        for _ in range(BULK_ACTIONS)
    )
    Schedule.objects.bulk_create(
        Schedule(name=f"nightly {number}", function=function, expression=f"{number % 60} {number % 24} * * *")
        for number in range(SCHEDULES)
    )
    # Each tenth of the newest jobs is of a schedule, each other tenth has a key.
    of_schedules = [
        JobRecord(pk=owner, schedule=f"nightly {place % SCHEDULES}")
        for place, owner in enumerate(owners[::10])
    ]
    JobRecord.objects.bulk_update(of_schedules, ["schedule"], batch_size=400)
    keyed = [
        JobRecord(pk=owner, idempotency_key=f"order {place}") for place, owner in enumerate(owners[5::10])
    ]
    JobRecord.objects.bulk_update(keyed, ["idempotency_key"], batch_size=400)
    LogRecord.objects.bulk_create(
        (
            LogRecord(
                job_id=owners[0],
                seq=10 + place // 50,
                position=place % 50,
                at=now + timedelta(milliseconds=place),
                level="INFO" if place % 100 else "ERROR",
                message=f"line {place}",
            )
            for place in range(LINES)
        ),
        batch_size=2_000,
    )
    oldest = DeadLetterRecord.objects.filter(discarded_at=None).order_by("pk").values_list("pk", flat=True)
    replayed = list(oldest[:REPLAYED])
    DeadLetterRecord.objects.filter(pk__in=replayed).update(replayed_as=owners[0])


def fill_storage() -> None:
    """Have the file of the artifacts."""
    if not default_storage.exists(FILE):
        default_storage.save(FILE, ContentFile(b"a file"))


def fill_redis() -> None:
    """Have a worker, and each function's queue with jobs that wait and some that run."""
    broker = get_broker()
    by_queue: dict[str, list[str]] = {}
    for function, queue in FunctionRecord.objects.values_list("function", "queue"):
        by_queue.setdefault(queue, []).append(function)
    worker = {
        "host": "bench",
        "state": "running",
        "seen_ms": round(time.time() * 1000),
        "functions": [function for functions in by_queue.values() for function in functions],
    }
    for queue, functions in by_queue.items():
        lab = Lab(os.environ["UPNEXT_REDIS_URL"], broker.environment.namespace, queue=queue)
        lab.register(*functions)
        lab.run(b"SADD", broker.names.queues, queue.encode())
        lab.run(b"HSET", broker.names.workers, b"w1", json.dumps(worker).encode())
        for function in functions:
            about = json.dumps({"queue": queue, "aliases": []}).encode()
            lab.run(b"HSET", broker.names.functions, function.encode(), about)
            envelope = msgspec.json.encode(Envelope(function=function))
            broker.submit_sync(
                [
                    NewJob(id=new_job_id(queue), queue=queue, function=function, envelope=envelope)
                    for _ in range(WAITING)
                ]
            )
        lab.claim(RUNNING, functions=functions)
        lab.close()
