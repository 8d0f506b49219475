"""``python manage.py upnext_doctor``: what is wrong with the installation, and how to mend it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upnext_django.operations.health.finding import Finding, State
from upnext_django.operations.health.report import examine

__all__ = ["Command"]


class Command(BaseCommand):
    """Look at Redis, database, workers, history and settings; change nothing."""

    help = "Check Redis, the database, workers, history and settings, and say how to mend what is wrong."
    requires_system_checks: list[str] = []  # it shows them itself, and goes on

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="As JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        if options["json"]:
            self.stdout.write(json.dumps([dataclasses.asdict(one) for one in findings], indent=2))
        else:
            for one in findings:
                self._show(one)
        counts = Counter(one.state for one in findings)
        if counts[State.FAIL]:
            raise CommandError(f"{counts[State.FAIL]} of {len(findings)} checks failed.")

    def _show(self, one: Finding) -> None:
        styles = {State.OK: self.style.SUCCESS, State.FAIL: self.style.ERROR}
        style = styles.get(one.state, self.style.WARNING)
        self.stdout.write(f"{style(f'{one.state:<7}')} {one.name}: {one.found}")
        if one.fix:
            self.stdout.write(f"        -> {one.fix}")
