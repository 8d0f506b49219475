"""Celery's side: the same jobs, results only where they are waited for."""

import os

import django
import stamps
from celery import Celery

django.setup()

from shop.models import place  # noqa: E402  (models need the setup above)

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    result_backend=os.environ["BENCH_REDIS"] if "BENCH_RESULTS" in os.environ else None,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
    # Without it the Django fixup closes the database connection after every task.
    CELERY_DB_REUSE_MAX=1_000_000_000,
)


@app.task(ignore_result=True)
def noop_sync(index):
    stamps.mark(index)


@app.task(ignore_result=True)
def orm(index):
    place(index)
    stamps.mark(index)


@app.task
def echo(index):
    return index
