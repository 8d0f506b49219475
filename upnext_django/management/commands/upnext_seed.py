"""``manage.py upnext_seed``: many rows to try the admin on."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upnext_django import conf
from upnext_django.management.arguments import at_least_one, days
from upnext_django.management.seeding import MODULE, Seeder
from upnext_django.management.tables import require_tables

__all__ = ["Command"]


class Command(BaseCommand):
    """Write rows of jobs that never ran; Redis hears nothing of them."""

    help = "Fill the history with made-up jobs, to try the admin on many of them. For development."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--jobs", type=at_least_one, default=10_000, help="How many; 10,000.")
        parser.add_argument("--days", type=days, default=7.0, help="Over how many past days; 7.")
        parser.add_argument(
            "--failed", type=float, default=10.0, metavar="PERCENT", help="How many of them failed; 10."
        )
        parser.add_argument(
            "--tree", type=at_least_one, default=20, metavar="JOBS", help="How many the newest tree has; 20."
        )
        parser.add_argument("--yes", action="store_true", help="Do it though DEBUG is off.")

    def handle(self, **options: Any) -> None:
        if not settings.DEBUG and not options["yes"]:
            raise CommandError(
                "DEBUG is off, so this may be production, whose history made-up jobs would spoil; give --yes "
                "to do it nevertheless."
            )
        if not 0 <= options["failed"] <= 100:
            raise CommandError(f"--failed {options['failed']:g} is no percentage from 0 to 100.")
        using = conf.get().database
        require_tables(using)
        seeder = Seeder(
            options["jobs"], options["days"], options["failed"] / 100, using, tree=options["tree"]
        )
        for written in seeder.write():
            if options["verbosity"] > 1:
                self.stdout.write(f"{written:,} of {options['jobs']:,}")
        self.stdout.write(
            f"{options['jobs']:,} jobs of {MODULE} are in the history of database {using!r}. "
            "upnext_prune deletes them when they are old enough."
        )
