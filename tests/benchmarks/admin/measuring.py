"""Filling a database and Redis, and opening the pages on them; Django is set up before this is imported."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.benchmarks.admin.visits import Visit, visits
from tests.broker.lab import Lab
from upnext_django.connection import get_broker
from upnext_django.core.ids import new_job_id
from upnext_django.core.job import Envelope, NewJob
from upnext_django.models import ArtifactRecord, FunctionRecord, JobRecord, OutboxEntry, Schedule

__all__ = ["fill", "fill_redis", "measured", "opened"]

BESIDES = 20_000
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
    """Write rows of the other tables: artifacts, what waits in the outbox, schedules."""
    now = timezone.now()
    path = default_storage.save("upnext/bench.txt", ContentFile(b"a file"))
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
                path=path,
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
    Schedule.objects.bulk_create(
        Schedule(name=f"nightly {number}", function=function, expression="0 0 * * *") for number in range(200)
    )


def fill_redis() -> None:
    """Have each function's queue with jobs that wait and some that run."""
    broker = get_broker()
    by_queue: dict[str, list[str]] = {}
    for function, queue in FunctionRecord.objects.values_list("function", "queue"):
        by_queue.setdefault(queue, []).append(function)
    for queue, functions in by_queue.items():
        lab = Lab(os.environ["UPNEXT_REDIS_URL"], broker.environment.namespace, queue=queue)
        lab.register(*functions)
        lab.run(b"SADD", broker.names.queues, queue.encode())
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


def measured(client: Client, visit: Visit, rounds: int) -> dict[str, Any]:
    """Open a page once, then ``rounds`` times: return its status, queries and milliseconds."""
    taken_ms: list[float] = []
    used_ms: list[float] = []
    backend = _backend()
    status = queries = 0
    for number in range(rounds + 1):
        count = 0

        def counting(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
            nonlocal count
            count += 1
            return execute(sql, params, many, context)

        with connection.execute_wrapper(counting):
            begin, used = time.perf_counter(), _used_ms(backend)
            response = client.get(visit.path) if visit.form is None else client.post(visit.path, visit.form)
            # A list whose form was sent leads back to itself; what is streamed is made while it is read.
            body = b"".join(response) if response.streaming else response.content
            took_ms = (time.perf_counter() - begin) * 1000
            here_ms = _used_ms(backend) - used
        status, queries = max(status, response.status_code), count
        if number:
            taken_ms.append(took_ms)
            used_ms.append(here_ms)
    return {
        "title": visit.title,
        "status": status,
        "queries": queries,
        "bytes": len(body),
        "median_ms": round(median(taken_ms), 1),
        "max_ms": round(max(taken_ms), 1),
        "used_ms": round(median(used_ms), 1),
        "most_used_ms": round(max(used_ms), 1),
    }


def _backend() -> int | None:
    """Return the process of the database's own that serves this connection, None for SQLite."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _used_ms(backend: int | None) -> float:
    """Return how long this process and ``backend`` were on the processor so far."""
    used_ns = time.process_time_ns()
    if backend is not None:
        used_ns += int(Path(f"/proc/{backend}/schedstat").read_text().split()[0])
    return used_ns / 1e6


def opened(rounds: int, *, only: str = "", slow_ms: float = 0.0) -> list[dict[str, Any]]:
    """Open the pages whose title has ``only``, as a superuser; tell those over ``slow_ms`` at once."""
    settings.ALLOWED_HOSTS = ["*"]
    user = User.objects.filter(username="bench").first() or User.objects.create_superuser("bench")
    # On a busy machine a page may give up: that is told, and the others are opened.
    client = Client(raise_request_exception=False)
    client.force_login(user)
    pages = []
    for visit in visits(client):
        if only not in visit.title:
            continue
        page = measured(client, visit, rounds)
        pages.append(page)
        if slow_ms and page["used_ms"] > slow_ms:
            sys.stderr.write(
                f"{page['used_ms']:7.0f} ms used, {page['median_ms']:7.0f} ms elapsed, "
                f"{page['queries']:3} queries  {visit.title}\n"
            )
    return pages
