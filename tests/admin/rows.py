"""Rows for the tests of admin and operations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from upnext_django.models import AttemptRecord, FunctionRecord, JobRecord, LogRecord

__all__ = ["a_function", "a_job", "all_rows", "an_attempt", "job_id"]


def all_rows() -> dict[str, Any]:
    """Return all rows of our models, who may what, and the audit trail."""
    models: list[type[Model]] = [*apps.get_app_config("upnext").get_models(), User, LogEntry]
    return {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for model in models
        if model._meta.managed
    }


def job_id(number: int) -> str:
    return f"019a0000-0000-7000-8000-{number:012x}"


def a_job(number: int, **columns: Any) -> JobRecord:
    """Make the row of a completed job of five minutes ago; ``columns`` change it."""
    created_at = timezone.now() - timedelta(minutes=5)
    defaults: dict[str, Any] = {
        "id": job_id(number),
        "function": "shop.tasks.pay",
        "function_name": "pay",
        "queue": "shop",
        "status": "complete",
        "root_id": job_id(number),
        "attempts": 1,
        "created_at": created_at,
        "started_at": created_at,
        "completed_at": created_at + timedelta(milliseconds=250),
        "worker_id": "web1-1",
        "arguments": {"args": [number], "kwargs": {}},
        "seq": 3,
    }
    return JobRecord.objects.create(**{**defaults, **columns})


def an_attempt(job: JobRecord, token: int, **columns: Any) -> AttemptRecord:
    defaults = {"number": token, "outcome": "complete", "started_at": job.started_at}
    return AttemptRecord.objects.create(job_id=job.pk, token=token, **{**defaults, **columns})


def a_log_line(job: JobRecord, position: int, message: str) -> LogRecord:
    return LogRecord.objects.create(
        job_id=job.pk, seq=2, position=position, at=timezone.now(), level="INFO", message=message
    )


def a_function(function: str, **columns: Any) -> FunctionRecord:
    defaults = {"function_name": function.rpartition(".")[2], "queue": "shop", "seen_at": timezone.now()}
    return FunctionRecord.objects.create(function=function, **{**defaults, **columns})
