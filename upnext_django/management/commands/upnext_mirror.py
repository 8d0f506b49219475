"""``python manage.py upnext_mirror``: write the history in a process of its own."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from upnext_django import conf
from upnext_django.connection import get_broker
from upnext_django.exceptions import RedisUnavailable
from upnext_django.management.alone import listen_for_stops, run_alone
from upnext_django.management.logs import show_logs
from upnext_django.management.screen import package_version
from upnext_django.management.tables import require_tables
from upnext_django.mirror.service import MirrorService
from upnext_django.operations.pruner import Pruner

__all__ = ["Command"]


class Command(BaseCommand):
    """Run the mirror alone, for workers that are started with ``--no-mirror``."""

    help = "Write the history of jobs from Redis to the database, until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        show_logs(options["verbosity"], sys.stderr)
        settings = conf.get()
        if not settings.history:
            raise CommandError("UPNEXT['HISTORY'] is False, so there is nothing to write; set it to True.")
        warning = require_tables(settings.database)
        if warning is not None:
            self.stderr.write(self.style.WARNING(warning))
        try:
            broker = get_broker()
        except (ImproperlyConfigured, RedisUnavailable) as error:
            raise CommandError(str(error)) from error
        stops = listen_for_stops()
        self.stdout.write(
            f"upnext_django {package_version()}: history from {broker.url_masked} to database "
            f"{settings.database!r}. Stop with Ctrl-C or SIGTERM."
        )
        if not run_alone([MirrorService(broker, using=settings.database), Pruner(broker)], stops):
            sys.exit(1)
