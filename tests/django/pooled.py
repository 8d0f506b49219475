"""Tasks of a Django project in processes of their own; see test_processes.py."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.db import connection, transaction

import upnext_django as upnext
from example_project.shop.models import Product

__all__ = ["worker"]

worker = upnext.Worker(
    "django-processes", concurrency=4, sync_executor=upnext.SyncExecutor.PROCESS, sync_pool_size=1
)


@worker.task
def rename(slug: str, name: str) -> int:
    return Product.objects.filter(slug=slug).update(name=name)


@worker.task
def about() -> dict[str, Any]:
    return {"pid": os.getpid(), "parent": os.getppid(), "settings": settings.SETTINGS_MODULE}


@worker.task
def leave_a_transaction_open(slug: str) -> bool:
    """End as nobody should: inside a transaction."""
    connection.set_autocommit(False)
    Product.objects.filter(slug=slug).update(name="never committed")
    return connection.in_atomic_block


@worker.task
def is_in_a_transaction() -> bool:
    return not connection.get_autocommit()


@worker.task
def submit_and_roll_back() -> str:
    try:
        with transaction.atomic():
            job_id = about.submit_sync().job_id
            raise ZeroDivisionError
    except ZeroDivisionError:
        return job_id


@worker.task
def submit_and_commit() -> str:
    with transaction.atomic():
        return about.submit_sync().job_id


@worker.task
def fill(mib: int) -> int:
    """Keep so much memory for good."""
    _kept.append(bytearray(os.urandom(1024 * 1024)) * mib)
    return os.getppid()


@worker.task
async def fill_the_worker(mib: int) -> int:
    _kept.append(bytearray(os.urandom(1024 * 1024)) * mib)
    return os.getpid()


@worker.task
async def worker_pid() -> int:
    return os.getpid()


_kept: list[bytearray] = []
