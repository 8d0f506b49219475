"""What there is to see: a day of the past, and a warehouse that is at work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F, Value
from django.db.models.functions import Replace
from django.utils import timezone

from example_project.shop.tasks import always_fails
from tests.waiting import wait_until
from upnext_django.management.seeding import MODULE, Seeder
from upnext_django.models import (
    ArtifactRecord,
    BulkAction,
    DeadLetterRecord,
    FunctionRecord,
    JobRecord,
    StatRecord,
    WorkerRecord,
)
from upnext_django.operations import control, schedules, secrets, tokens
from upnext_django.operations.bulk.begin import start
from upnext_django.operations.bulk.selection import Selection
from upnext_django.operations.bulk.verb import BulkVerb

__all__ = ["NAME", "PASSWORD", "Scene", "make_past", "make_present"]

NAME = "ada"
PASSWORD = "for the pictures only"
_OWN = "warehouse.tasks"
_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The rows whose pages are shown."""

    failed: str
    flow: str
    report: str
    letter: str
    waiting: str
    worker: str
    artifact: str
    bulk: int


def make_past() -> None:
    """Write a day's rows as if the warehouse's own functions had made them."""
    User.objects.create_superuser(NAME, password=PASSWORD)
    for _ in Seeder(jobs=2_500, days=1.0, failed=0.006).write():
        pass
    for rows in (JobRecord.objects, DeadLetterRecord.objects, StatRecord.objects):
        renamed = Replace(F("function"), Value(MODULE), Value(_OWN))
        rows.filter(function__startswith=MODULE).update(function=renamed)
    FunctionRecord.objects.filter(function__startswith=MODULE).delete()
    WorkerRecord.objects.filter(id__startswith="seeded-").update(left_at=timezone.now() - timedelta(hours=1))


def make_present() -> Scene:
    """Submit work and wait until it is as the pictures want it: ended, failed, running, waiting."""
    tasks = import_module(_OWN)
    user = User.objects.get(username=NAME)
    flow = tasks.import_catalog.submit_sync("Nordlicht").job_id
    report = tasks.build_report.submit_sync("2026-11-25").job_id
    failed = [always_fails.submit_sync(amount=0).job_id for _ in range(6)]
    failed += [tasks.charge_card.submit_sync(order, 19.9).job_id for order in (7, 14, 21, 35)]
    for order in range(1, 40):
        if order % 7:
            tasks.charge_card.submit_sync(order, 9.5 * order)
        tasks.send_receipt.submit_sync(order)
    for customer in range(60):
        tasks.notify.submit_sync(customer)
    for shelf in ("A", "B", "C", "D"):
        tasks.sync_stock.submit_sync(shelf)
    tasks.build_report.options(delay=3_600).submit_sync("2026-11-26")
    waiting = tasks.sync_stock.submit_sync("E").job_id
    _keep(user)
    ended = JobRecord.objects.filter(id__in=[flow, report, *failed], completed_at__isnull=False)
    _until(lambda: ended.count() == 2 + len(failed), "all that ends has ended")
    _until(lambda: DeadLetterRecord.objects.filter(job_id__in=failed).count() == len(failed), "they are dead")
    _until(lambda: JobRecord.objects.filter(status="active").count() >= 2, "something runs")
    _until(JobRecord.objects.filter(id=waiting).exists, "something waits")
    artifacts = ArtifactRecord.objects.filter(job_id=report)
    clause = [{"function_name": "notify"}]
    action = start(BulkVerb.DISCARD, Selection(clauses=[clause], words=["task: notify"]), by=user)
    _until(BulkAction.objects.filter(pk=action.pk, ended_at__isnull=False).exists, "the bulk action is over")
    _until(lambda: artifacts.count() == 2, "the report's files have rows")
    workers = WorkerRecord.objects.filter(left_at=None)
    _until(workers.exists, "the worker has a row")
    ran = [schedules.run_now(name, by=user) for name in ("Nightly report", f"{_OWN}.clean_up")]
    of_schedules = JobRecord.objects.filter(id__in=ran, completed_at__isnull=False)
    _until(lambda: of_schedules.count() == len(ran), "the schedules have run")
    control.pause_queue("reports", by=user)
    return Scene(
        failed=failed[0],
        flow=flow,
        report=report,
        letter=failed[-1],
        waiting=waiting,
        worker=workers.get().pk,
        bulk=action.pk,
        artifact=artifacts.get(name="revenue.png").pk,
    )


def _keep(user: User) -> None:
    """Add what operators keep."""
    schedules.add(
        by=user,
        name="Nightly report",
        function=f"{_OWN}.build_report",
        expression="0 3 * * *",
        args=["today"],
    )
    schedules.add(
        by=user,
        name="Catalog of Nordlicht",
        function=f"{_OWN}.import_catalog",
        expression="30 6 * * mon",
        timezone="Europe/Berlin",
        args=["Nordlicht"],
    )
    secrets.put("stripe_key", "not shown", by=user)
    secrets.put("mail_password", "not shown", by=user)
    tokens.create("Deployment", owner=user, scopes=["read", "operate"], by=user)
    tokens.create("Grafana", owner=user, scopes=["read"], by=user)


def _until(condition: Any, what: str) -> None:
    wait_until(condition, what, timeout=_PATIENCE_S)
