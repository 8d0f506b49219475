"""``python manage.py upnext_relay``: bring to Redis what is left in the outbox."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from upnext_django import conf
from upnext_django.broker.broker import Broker
from upnext_django.connection import get_broker, label_of
from upnext_django.declare.registry import registry
from upnext_django.exceptions import RedisUnavailable
from upnext_django.management.alone import listen_for_stops, run_alone
from upnext_django.management.logs import show_logs
from upnext_django.management.screen import package_version
from upnext_django.management.tables import require_tables
from upnext_django.operations import outbox
from upnext_django.outbox.databases import with_outbox
from upnext_django.relay.service import RelayService, relay_once

__all__ = ["Command"]


class Command(BaseCommand):
    """Run the relay alone, for workers that are started with ``--no-relay``, or once."""

    help = (
        "Send the jobs that committed transactions left in the outbox, until SIGTERM or Ctrl-C. Works also "
        "where UPNEXT['OUTBOX'] was switched off, for the rows that are left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Send what is there now, and end.")
        parser.add_argument(
            "--list", action="store_true", help="Show how many jobs wait and which were set aside, and end."
        )
        parser.add_argument(
            "--retry",
            nargs="*",
            metavar="ID",
            help="Put jobs back that were set aside, without an id all of them, and end.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        show_logs(options["verbosity"], sys.stderr)
        warning = require_tables(conf.get().database)
        if warning is not None:
            self.stderr.write(self.style.WARNING(warning))
        try:
            if options["list"]:
                self._list()
            elif options["retry"] is not None:
                self.stdout.write(f"{outbox.retry(options['retry'] or None)} put back.")
            elif options["once"]:
                count = sum(relay_once(broker) for broker in _brokers())
                self.stdout.write(f"{count} {'row' if count == 1 else 'rows'} taken out of the outbox.")
            else:
                self._run(_brokers())
        except (ImproperlyConfigured, RedisUnavailable, DatabaseError, InterfaceError) as error:
            raise CommandError(str(error)) from error

    def _run(self, brokers: list[Broker]) -> None:
        stops = listen_for_stops()
        self.stdout.write(
            f"upnext_django {package_version()}: the outbox of {', '.join(with_outbox())} to "
            f"{', '.join(broker.url_masked for broker in brokers)}. Stop with Ctrl-C or SIGTERM."
        )
        if not run_alone([RelayService(broker) for broker in brokers], stops):
            sys.exit(1)

    def _list(self) -> None:
        for depth in outbox.depths():
            age = "" if depth.oldest_s is None else f", the oldest for {depth.oldest_s:.0f} s"
            self.stdout.write(f"{depth.database}: {depth.waiting} waiting{age}; {depth.set_aside} set aside")
        for entry in outbox.set_aside():
            self.stdout.write(f"{entry.job_id}  {entry.function}  {entry.error}")


def _brokers() -> list[Broker]:
    """Return a broker for each Redis that the settings or a Worker name."""
    urls = dict.fromkeys([None, *(worker.redis_url for worker in registry.workers)])
    by_label = {label_of(broker): broker for broker in map(get_broker, urls)}
    return list(by_label.values())
