"""The console script ``upnext``. Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 it still runs.

Beside its own commands it has those of the operator: ``upnext inspect`` is ``manage.py upnext_inspect`` for
the scripts of this folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError

from upnext_django.cli import project
from upnext_django.cli.call import call
from upnext_django.cli.listing import list_declared
from upnext_django.cli.run import run_files
from upnext_django.exceptions import UpNextError
from upnext_django.management.arguments import json_dict, json_list, seconds

__all__ = ["main"]

_OPERATORS = ("inspect", "doctor", "dlq", "pause", "resume", "prune", "mirror")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``words`` None are those of the shell."""
    given = list(sys.argv[1:] if words is None else words)
    try:
        if given[:1] == ["run"]:
            # Its options are those of upnext_worker, which are known when Django is set up.
            run_files(given[1:])
            return 0
        if given and given[0] in _OPERATORS:
            project.enter(Path.cwd())
            call_command(f"upnext_{given[0]}", *given[1:])
            return 0
        options = _parser().parse_args(given)
        code: int = options.action(options)
        return code
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return error.returncode
    except (ImproperlyConfigured, UpNextError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="upnext", description="Background jobs from a script or a shell.")
    actions = parser.add_subparsers(required=True, metavar="COMMAND")
    actions.add_parser("run", help="Run the Workers of files until SIGTERM or Ctrl-C.")
    for name in _OPERATORS:
        actions.add_parser(name, help=f"manage.py upnext_{name}, for the scripts of this folder.")

    called = actions.add_parser("call", help="Submit one job and write its value as JSON.")
    called.add_argument("name", metavar="NAME", help="The task: module.function.")
    called.add_argument("--args", type=json_list, default=[], metavar="JSON", help="Positional arguments.")
    called.add_argument("--kwargs", type=json_dict, default={}, metavar="JSON", help="Keyword arguments.")
    called.add_argument(
        "--file", action="append", default=[], metavar="FILE", help="Import this file first; several times."
    )
    called.add_argument("--no-wait", action="store_true", help="Write the job's id and wait for nothing.")
    called.add_argument("--timeout", type=seconds, metavar="S", help="Wait no longer; exit code 3 then.")
    called.set_defaults(action=_call)

    listed = actions.add_parser("list", help="Show the tasks, crons and event handlers of files.")
    listed.add_argument("files", nargs="*", metavar="FILE", help="Without one: those of the project's apps.")
    listed.add_argument("--json", action="store_true", help="As JSON.")
    listed.set_defaults(action=_list_declared)
    return parser


def _call(options: argparse.Namespace) -> int:
    return call(
        options.name,
        options.args,
        options.kwargs,
        files=options.file,
        wait=not options.no_wait,
        timeout=options.timeout,
        out=sys.stdout,
        err=sys.stderr,
    )


def _list_declared(options: argparse.Namespace) -> int:
    list_declared(options.files, as_json=options.json, out=sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
