"""Opening pages on a filled database; Django is set up before this is imported."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from django.db import connection
from django.test import Client

from tests.benchmarks.history.visit import Visit

__all__ = ["measured", "opened"]


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


def opened(
    client: Client, visits: Iterable[Visit], rounds: int, *, only: str = "", slow_ms: float = 0.0
) -> list[dict[str, Any]]:
    """Open those of ``visits`` whose title has ``only``; tell those over ``slow_ms`` at once."""
    pages = []
    for visit in visits:
        if only not in visit.title:
            continue
        page = measured(client, visit, rounds)
        pages.append(page)
        if slow_ms and (page["used_ms"] > slow_ms or page["status"] >= 500):
            sys.stderr.write(
                f"{page['used_ms']:7.0f} ms used, {page['median_ms']:7.0f} ms elapsed, "
                f"{page['queries']:3} queries, {page['status']}  {visit.title}\n"
            )
    return pages
