"""The two commands that pause and resume: one parser, one report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from upnext_django.management.operator import BY, told_errors
from upnext_django.operations import control

__all__ = ["SwitchCommand"]

Switch = Callable[..., bool]


class SwitchCommand(BaseCommand):
    """Switch a function or a queue. ``verb`` is past tense; without an argument it shows what is paused."""

    verb: str
    switch_function: Switch
    switch_queue: Switch

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "function", nargs="?", metavar="FUNCTION", help="The identity or an alias of a task."
        )
        what.add_argument("--queue", metavar="Q", help="A whole queue.")

    def handle(self, *args: Any, **options: Any) -> None:
        with told_errors():
            if options["queue"] is not None:
                self._report(f"Queue {options['queue']}", type(self).switch_queue(options["queue"], by=BY))
            elif options["function"] is not None:
                name = options["function"]
                self._report(f"Function {name}", type(self).switch_function(name, by=BY))
            else:
                self._show()

    def _report(self, what: str, changed: bool) -> None:
        self.stdout.write(f"{what} {self.verb}." if changed else f"{what} was {self.verb} already.")

    def _show(self) -> None:
        lines = [f"Queue {name} is paused." for name in control.paused_queues()]
        lines += [f"Function {name} is paused." for name in control.paused_functions()]
        self.stdout.write("\n".join(lines) or "Nothing is paused.")
