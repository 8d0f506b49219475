"""Orders to worker processes: take no more work, take it again, stop.

A worker hears them within moments, and its registration says so with its next beat. They hold for the
process only: one that is started in its place knows nothing of them.
"""

from __future__ import annotations

from upnext_django.broker.operator import Order
from upnext_django.connection import get_broker
from upnext_django.exceptions import UpNextError, WorkerNotFound
from upnext_django.models import WorkerRecord
from upnext_django.operations import audit

__all__ = ["quiet", "resume", "stop"]


def quiet(worker_id: str, *, by: object = None) -> None:
    """Have a worker take no more work: what runs goes on, what it claimed ahead goes back.

    It stays, with its history writing and cron ticks. Doing it twice changes nothing. ``by`` is who
    asked, for the log. Raises WorkerNotFound, and UpNextError for a worker that hears no orders.
    """
    _order(worker_id, Order.QUIET, "told to take no more work", by)


def resume(worker_id: str, *, by: object = None) -> None:
    """Have a quiet worker take work again; nothing for one that does or that stops. See quiet()."""
    _order(worker_id, Order.RESUME, "told to take work again", by)


def stop(worker_id: str, *, by: object = None) -> None:
    """Have a worker end as SIGTERM does: what runs may end within its grace, the rest is handed back.

    A second order does not cut that short. A supervisor that restarts what ends starts another. See quiet().
    """
    _order(worker_id, Order.STOP, "told to stop", by)


def _order(worker_id: str, order: Order, done: str, by: object) -> None:
    broker = get_broker()
    facts = broker.workers().get(worker_id)
    if facts is None:
        raise WorkerNotFound(worker_id)
    # One order for the whole process: it reads the inboxes of all its queues, so any of them will do.
    queue = next(iter(facts.get("queues") or ()), None)
    if queue is None:
        raise UpNextError(f"Worker {worker_id} serves no queue, so it has no inbox; send it SIGTERM instead.")
    if not facts.get("state"):
        raise UpNextError(
            f"Worker {worker_id} runs a version that knows no such orders; send it SIGTERM instead."
        )
    broker.operator.order_sync(worker_id, queue, order)
    audit.note(by, done, model=WorkerRecord, objects={worker_id: worker_id})
