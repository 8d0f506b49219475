"""``python manage.py upnext_dlq``: look at dead letters, replay or discard them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upnext_django.management.arguments import at_least_one, json_dict, json_list
from upnext_django.management.operator import BY, told_errors
from upnext_django.models import DeadLetterRecord
from upnext_django.operations import dead_letters
from upnext_django.operations.outcome import Outcome

__all__ = ["Command"]


class Command(BaseCommand):
    """List, show, replay and discard dead letters."""

    help = "Look at jobs that failed for good, replay them as new jobs, or discard them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay|discard")

        listed = actions.add_parser("list", help="List the dead letters that wait for a decision.")
        _add_filters(listed)
        listed.add_argument(
            "--limit", type=at_least_one, default=50, metavar="N", help="How many at most; 50."
        )

        shown = actions.add_parser("show", help="Show the arguments, the error and every attempt of one.")
        shown.add_argument("job_id", metavar="ID")

        replayed = actions.add_parser("replay", help="Make new jobs of them, with the same root.")
        _add_selection(replayed)
        replayed.add_argument(
            "--args",
            dest="new_args",
            type=json_list,
            metavar="JSON",
            help="Other positional arguments; for one ID.",
        )
        replayed.add_argument(
            "--kwargs",
            dest="new_kwargs",
            type=json_dict,
            metavar="JSON",
            help="Other keyword arguments; for one ID.",
        )

        _add_selection(actions.add_parser("discard", help="Give them up; the jobs stay failed."))

    def handle(self, *args: Any, **options: Any) -> None:
        with told_errors():
            match options["action"]:
                case "list":
                    self._list(options)
                case "show":
                    self._show(options["job_id"])
                case "replay" if options["new_args"] is not None or options["new_kwargs"] is not None:
                    self._replay_edited(options)
                case "replay":
                    self._report(dead_letters.replay_many(_selected(options), by=BY))
                case "discard":
                    self._report(dead_letters.discard_many(_selected(options), by=BY))

    def _list(self, options: dict[str, Any]) -> None:
        letters = dead_letters.open_letters(function=options["function"], error_type=options["error_type"])
        rows = list(letters[: options["limit"] + 1])
        for letter in rows[: options["limit"]]:
            self.stdout.write(
                f"{letter.job_id}  {letter.failed_at:%Y-%m-%d %H:%M:%S%z}  {letter.function}  "
                f"{_first_line(letter.error or letter.error_type or '-')}"
            )
        if len(rows) > options["limit"]:
            self.stdout.write(f"There are more; see them with --limit {options['limit'] * 10}.")
        elif not rows:
            self.stdout.write("No dead letters.")

    def _show(self, job_id: str) -> None:
        letter = dead_letters.letter(job_id)
        row = dead_letters.payload(letter)
        arguments = None if row is None else row.arguments
        lines = [
            f"job        {letter.job_id}",
            f"function   {letter.function}",
            f"queue      {letter.queue}",
            f"root       {'-' if row is None else row.root_id}",
            f"failed     {letter.failed_at:%Y-%m-%d %H:%M:%S%z}",
            f"decided    {_decision(letter)}",
            f"arguments  {json.dumps(arguments)}",
        ]
        for attempt in dead_letters.attempts(letter):
            lines += [
                "",
                f"attempt {attempt.number}  {attempt.outcome}  {attempt.started_at} to {attempt.ended_at}  "
                f"on {attempt.worker_id or '-'}",
                attempt.traceback or attempt.error or "",
            ]
        self.stdout.write("\n".join(lines).rstrip())

    def _replay_edited(self, options: dict[str, Any]) -> None:
        if len(options["ids"]) != 1:
            raise CommandError("--args and --kwargs edit one job; give its ID and no filter.", returncode=2)
        (job_id,) = options["ids"]
        new_id = dead_letters.replay(job_id, by=BY, args=options["new_args"], kwargs=options["new_kwargs"])
        self.stdout.write(f"{job_id} replayed as {new_id}")

    def _report(self, outcome: Outcome) -> None:
        for job_id, new_id in outcome.done.items():
            self.stdout.write(f"{job_id} {outcome.verb}{f' as {new_id}' if new_id else ''}")
        for reason in outcome.refused.values():
            self.stderr.write(self.style.ERROR(reason))
        if outcome.refused:
            raise CommandError(f"{len(outcome.refused)} refused, {len(outcome.done)} {outcome.verb}.")
        self.stdout.write(f"{len(outcome.done)} {outcome.verb}.")


def _selected(options: dict[str, Any]) -> Iterable[str | DeadLetterRecord]:
    filters = {name: options[name] for name in ("function", "error_type") if options[name] is not None}
    if bool(options["ids"]) + bool(filters) + options["all"] != 1:
        raise CommandError(
            "Say which dead letters: IDs, or --function and --error-type, or --all.", returncode=2
        )
    return list(options["ids"]) or dead_letters.open_letters(**filters)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="Job ids.")
    _add_filters(parser)
    parser.add_argument("--all", action="store_true", help="All that wait for a decision.")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--function", metavar="F", help="Those of this task, by identity or bare name.")
    parser.add_argument("--error-type", metavar="T", help="Those that ended with this, like OSError.")


def _decision(letter: DeadLetterRecord) -> str:
    if letter.replayed_as is not None:
        return f"replayed as {letter.replayed_as}"
    return "no" if letter.discarded_at is None else f"discarded {letter.discarded_at:%Y-%m-%d %H:%M:%S%z}"


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:120]
