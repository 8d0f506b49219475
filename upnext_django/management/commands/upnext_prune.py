"""``python manage.py upnext_prune``: delete old rows of the history now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from upnext_django import conf
from upnext_django.conf import Retention
from upnext_django.management.arguments import at_least_one, days
from upnext_django.management.operator import told_errors
from upnext_django.operations import retention

__all__ = ["Command"]

_DAY_S = 86_400.0


class Command(BaseCommand):
    """Delete the rows of jobs that ended long ago (see operations.retention); needs no Redis."""

    help = "Delete the rows of jobs that ended long ago; a worker does the same every hour."

    def add_arguments(self, parser: CommandParser) -> None:
        for status in ("complete", "failed", "cancelled"):
            parser.add_argument(
                f"--{status}",
                type=days,
                metavar="DAYS",
                help=f"Keep {status} jobs for so long, instead of UPNEXT['RETENTION'].",
            )
        parser.add_argument("--dry-run", action="store_true", help="Delete nothing; count.")
        parser.add_argument(
            "--chunk",
            type=at_least_one,
            default=retention.CHUNK,
            metavar="N",
            help=f"Jobs in one transaction, at most ({retention.CHUNK}).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with told_errors():
            kept = _kept(options)
            if options["dry_run"]:
                for status, count in retention.overdue(kept).items():
                    self.stdout.write(f"{count} {status} jobs would be deleted, but for parents of others.")
                return
            pruned = retention.prune(kept, chunk=options["chunk"], all_files=True)
        for status, count in pruned.jobs.items():
            self.stdout.write(f"{count} {status} jobs deleted.")
        for count, what in (
            (pruned.dead_letters, "dead letters without a job"),
            (pruned.workers, "workers"),
            (pruned.bulk_actions, "bulk actions"),
            (pruned.statistics, "old counts of statistics"),
            (pruned.files, "files of artifacts that no row leads to"),
        ):
            if count:
                self.stdout.write(f"{count} {what} deleted.")
        if not pruned.total:
            self.stdout.write("Nothing is old enough to be deleted.")


def _kept(options: dict[str, Any]) -> Retention:
    usual = conf.get().retention
    return replace(
        usual,
        complete_s=(options["complete"] or usual.complete_s / _DAY_S) * _DAY_S,
        failed_s=(options["failed"] or usual.failed_s / _DAY_S) * _DAY_S,
        cancelled_s=(options["cancelled"] or usual.cancelled_s / _DAY_S) * _DAY_S,
    )
