"""Workers and functions: from Redis's registries into rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone as django_timezone

from upnext_django.models import FunctionRecord, WorkerRecord

__all__ = ["copy_functions", "copy_workers"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORKER_COLUMNS = ("host", "pid", "version", "queues", "concurrency", "running", "started_at", "seen_at")
_KNOWN_OF_WORKER = frozenset(
    {"id", "host", "pid", "version", "queues", "concurrency", "running", "started_ms", "seen_ms"}
)


def copy_workers(workers: Mapping[str, Mapping[str, Any]], *, using: str = "default") -> None:
    """Write the registered workers; those no longer registered get ``left_at``, once."""
    rows = [_worker(worker_id, worker) for worker_id, worker in sorted(workers.items())]
    with transaction.atomic(using=using):
        records = WorkerRecord.objects.using(using)
        records.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[*_WORKER_COLUMNS, "left_at", "details"],
        )
        records.filter(left_at=None).exclude(id__in=list(workers)).update(left_at=django_timezone.now())


def copy_functions(functions: Mapping[str, Mapping[str, Any]], *, using: str = "default") -> None:
    """Write the registered functions; one that is registered no more stays, as its jobs do."""
    now = django_timezone.now()
    rows = [
        FunctionRecord(
            function=name[:255],
            function_name=str(function.get("function_name") or name.rpartition(".")[2])[:255],
            queue=str(function.get("queue") or "")[:64],
            kind=str(function.get("kind") or "task")[:16],
            definition=dict(function),
            seen_at=now,
        )
        for name, function in sorted(functions.items())
    ]
    FunctionRecord.objects.using(using).bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["function"],
        update_fields=["function_name", "queue", "kind", "definition", "seen_at"],
    )


def _worker(worker_id: str, worker: Mapping[str, Any]) -> WorkerRecord:
    running = worker.get("running") or 0
    return WorkerRecord(
        id=worker_id[:128],
        host=str(worker.get("host") or "")[:255],
        pid=worker.get("pid"),
        version=str(worker.get("version") or "")[:64],
        queues=worker.get("queues") or [],
        concurrency=worker.get("concurrency") or 0,
        running=running if isinstance(running, int) else len(running),
        started_at=_moment(worker.get("started_ms")),
        seen_at=_moment(worker.get("seen_ms")),
        left_at=None,
        details={key: value for key, value in worker.items() if key not in _KNOWN_OF_WORKER},
    )


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else _EPOCH + timedelta(milliseconds=at_ms)
