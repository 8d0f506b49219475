"""``python manage.py upnext_schedule``: look at schedules and change them."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone as django_timezone
from django.utils.dateparse import parse_datetime

from upnext_django.core.missed import MissedRunPolicy
from upnext_django.management.arguments import json_dict, json_list
from upnext_django.management.operator import BY, told_errors
from upnext_django.operations import schedules
from upnext_django.operations.timetable import ScheduleInfo, timetable

__all__ = ["Command"]

_FIELDS = (
    *("function", "expression", "timezone", "args", "kwargs", "queue", "missed_run_policy"),
    *("max_catch_up_seconds", "priority", "starts_at", "ends_at"),
)


class Command(BaseCommand):
    """List, add, change, pause, resume, delete and run schedules."""

    help = "Look at schedules, those declared in code too; add, change, pause, resume, delete and run them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="list|add|change|pause|resume|delete|run"
        )
        listed = actions.add_parser("list", help="List all schedules with their next and last runs.")
        listed.add_argument("--json", action="store_true", help="As JSON, for programs.")

        added = actions.add_parser("add", help="Add a schedule.")
        added.add_argument("name", metavar="NAME")
        added.add_argument("function", metavar="FUNCTION", help="The identity of a task.")
        added.add_argument("expression", metavar="EXPRESSION", help='Like "0 9 * * *" or "@daily".')
        added.add_argument("--paused", action="store_true", help="It makes no jobs until it is resumed.")
        _add_fields(added)

        changed = actions.add_parser("change", help="Change a schedule; what is left out stays.")
        changed.add_argument("name", metavar="NAME")
        changed.add_argument("--name", dest="new_name", metavar="NAME", help="Another name.")
        changed.add_argument("--function", metavar="FUNCTION")
        changed.add_argument("--expression", metavar="EXPRESSION")
        _add_fields(changed)

        for action, what in (
            ("pause", "Let a schedule make no jobs."),
            ("resume", "Let it make jobs again; runs of the pause are not made up for."),
            ("delete", "Delete a schedule; jobs that it made stay."),
            ("run", "Submit its job now, paused or not."),
        ):
            actions.add_parser(action, help=what).add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options.get("name", "")
        with told_errors():
            match options["action"]:
                case "list":
                    self._list(as_json=options["json"])
                case "add":
                    fields = _given(options) | {"name": name, "paused": options["paused"]}
                    schedules.add(by=BY, allow_unknown=options["allow_unknown"], **fields)
                    self._say(name, "added.")
                case "change":
                    fields = _given(options)
                    if options["new_name"] is not None:
                        fields["name"] = options["new_name"]
                    schedules.change(name, by=BY, allow_unknown=options["allow_unknown"], **fields)
                    self._say(name, "changed.")
                case "pause":
                    self._say(name, "paused." if schedules.pause(name, by=BY) else "was paused already.")
                case "resume":
                    self._say(name, "resumed." if schedules.resume(name, by=BY) else "was not paused.")
                case "delete":
                    schedules.delete(name, by=BY)
                    self._say(name, "deleted.")
                case "run":
                    self._say(name, f"submitted as job {schedules.run_now(name, by=BY)}")

    def _say(self, name: str, what: str) -> None:
        self.stdout.write(f"Schedule {name} {what}")

    def _list(self, *, as_json: bool) -> None:
        infos = timetable()
        if as_json:
            self.stdout.write(json.dumps([_as_json(info) for info in infos], indent=2))
            return
        for info in infos:
            self.stdout.write("\n".join(_lines(info)))
        if not infos:
            self.stdout.write("No schedules.")


def _lines(info: ScheduleInfo) -> list[str]:
    where = "declared in code" if info.declared else f"{info.function}, a row"
    state = "  PAUSED" if info.paused else ""
    lines = [f"{info.name}  {info.expression}  {info.timezone}  ({where}){state}"]
    if info.args or info.kwargs:
        lines.append(f"  arguments  {json.dumps([info.args, info.kwargs])}")
    if info.next_runs:
        lines.append(f"  next       {', '.join(f'{run:%Y-%m-%d %H:%M:%S%z}' for run in info.next_runs)}")
    if info.last_run is not None:
        last = info.last_run
        lines.append(f"  last       {last.created_at:%Y-%m-%d %H:%M:%S%z}  {last.status}  {last.job_id}")
    if info.problem is not None:
        lines.append(f"  problem    {info.problem}")
    return lines


def _as_json(info: ScheduleInfo) -> dict[str, Any]:
    last = info.last_run
    return {
        "name": info.name,
        "function": info.function,
        "declared": info.declared,
        "expression": info.expression,
        "timezone": info.timezone,
        "missed_run_policy": info.missed_run_policy,
        "max_catch_up_seconds": info.max_catch_up_seconds,
        "queue": info.queue,
        "args": list(info.args),
        "kwargs": dict(info.kwargs),
        "paused": info.paused,
        "problem": info.problem,
        "next_runs": [run.isoformat() for run in info.next_runs],
        "last_run": None
        if last is None
        else {"job_id": last.job_id, "status": last.status, "created_at": last.created_at.isoformat()},
    }


def _add_fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timezone", metavar="ZONE", help="An IANA name; the project's TIME_ZONE if empty.")
    parser.add_argument(
        "--args", dest="new_args", type=json_list, metavar="JSON", help="Positional arguments."
    )
    parser.add_argument(
        "--kwargs", dest="new_kwargs", type=json_dict, metavar="JSON", help="Keyword arguments."
    )
    parser.add_argument("--queue", metavar="Q", help="The function's own if empty.")
    parser.add_argument(
        "--missed",
        dest="missed_run_policy",
        choices=list(MissedRunPolicy),
        help="What becomes of missed runs.",
    )
    parser.add_argument(
        "--max-catch-up",
        dest="max_catch_up_seconds",
        type=_or_none(float),
        metavar="S",
        help='How late a missed run may be; "none" for no limit.',
    )
    parser.add_argument(
        "--priority", type=_or_none(int), metavar="N", help='-100 to 100; "none" for the function\'s own.'
    )
    parser.add_argument(
        "--starts", dest="starts_at", type=_or_none(_moment), metavar="TIME", help='ISO 8601, or "none".'
    )
    parser.add_argument(
        "--ends", dest="ends_at", type=_or_none(_moment), metavar="TIME", help='ISO 8601, or "none".'
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="Take a FUNCTION that no worker has registered."
    )


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the command line names; "none" has become _NONE."""
    options = {**options, "args": options["new_args"], "kwargs": options["new_kwargs"]}
    given = {name: options[name] for name in _FIELDS if options.get(name) is not None}
    return {name: None if value is _NONE else value for name, value in given.items()}


_NONE = object()


def _or_none(read: Any) -> Any:
    def convert(text: str) -> Any:
        if text.lower() == "none":
            return _NONE
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error

    return convert


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError("this is no time; write it like 2026-12-24T09:00:00+01:00")
    return moment if moment.tzinfo is not None else django_timezone.make_aware(moment)
