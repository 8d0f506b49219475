"""Run the Workers of a script: ``upnext run service.py`` and ``upnext.run(worker)``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, handle_default_options

from upnext_django.cli import project, source
from upnext_django.declare.registry import registry
from upnext_django.declare.worker import Worker
from upnext_django.exceptions import ScriptError, UpNextError

__all__ = ["RunOptions", "run_files", "run_here"]

_USAGE = "Name the files first: upnext run service.py [--only NAME] [--concurrency N] ..."


class RunOptions(TypedDict, total=False):
    """The options of ``upnext.run()``; each means what it does for ``upnext_worker``.

    ``concurrency`` is jobs at once instead of each Worker's own, ``queues`` serves these only, ``cron`` and
    ``mirror`` False leave the ticks and the history to other processes, ``burst`` ends when nothing is
    left that could run, ``shutdown_timeout`` is the seconds that running jobs have to end; 25.
    """

    concurrency: int
    queues: Sequence[str]
    cron: bool
    mirror: bool
    burst: bool
    shutdown_timeout: float


def run_here(workers: Sequence[Worker], options: RunOptions) -> None:
    """See upnext_django.run()."""
    if source.is_loading():
        return
    _require_free_thread()
    known = RunOptions.__annotations__
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(known)}."
            raise ScriptError(f"upnext.run({name}=...) is not an option; {hint}")
    command = _worker_command(_root_of_main())
    words = [word for worker in workers for word in ("--only", worker.name)]
    if "concurrency" in options:
        words += ["--concurrency", str(options["concurrency"])]
    if "queues" in options:
        words += ["--queues", ",".join(options["queues"])]
    if "shutdown_timeout" in options:
        words += ["--shutdown-timeout", str(options["shutdown_timeout"])]
    words += ["--no-cron"] if not options.get("cron", True) else []
    words += ["--no-mirror"] if not options.get("mirror", True) else []
    words += ["--burst"] if options.get("burst") else []
    try:
        command.execute(**vars(command.create_parser("upnext", "run").parse_args(words)))
    except CommandError as error:
        raise UpNextError(str(error)) from error


def run_files(words: Sequence[str]) -> None:
    """Run ``upnext run FILE... [options of upnext_worker]``. Raises ScriptError, CommandError."""
    if {"-h", "--help"} & set(words):
        _parser(_worker_command(Path.cwd(), rows=False)).print_help()
        return
    count = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    if not count:
        raise CommandError(_USAGE, returncode=2)
    sources = [source.locate(word) for word in words[:count]]
    _choose_settings(words[count:])
    command = _worker_command(sources[0].root)
    options = _parse(_parser(command), words)
    del options["files"]
    options["only"] = _chosen(_load_all(sources), options["only"])
    command.execute(**options)


def _worker_command(root: Path, *, rows: bool = True) -> BaseCommand:
    """Return the command, in the project of the scripts in ``root``; so are the processes it starts."""
    project.enter(root, rows=rows)
    # It imports models, which Django allows after its setup only.
    from upnext_django.management.commands.upnext_worker import Command

    command = Command()
    command.enter = partial(project.enter, root, rows=False)
    return command


def _parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, Any]:
    try:
        return vars(parser.parse_args(list(words)))
    except CommandError as error:
        raise CommandError(f"{parser.format_usage()}{error}", returncode=2) from error


def _parser(command: BaseCommand) -> argparse.ArgumentParser:
    parser = command.create_parser("upnext", "run")
    parser.add_argument("files", nargs="+", metavar="FILE", help="The Python files that declare the Workers.")
    return parser


def _choose_settings(words: Sequence[str]) -> None:
    """Hear ``--settings`` and ``--pythonpath`` before Django is set up, as manage.py does."""
    sys.path.insert(0, os.getcwd())
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    handle_default_options(parser.parse_known_args(list(words))[0])


def _load_all(sources: Iterable[source.Source]) -> list[str]:
    """Import the files and return the names of the Workers that they bring. Raises ScriptError for none."""
    chosen: dict[str, None] = {}
    for one in sources:
        before = set(registry.workers)
        module = source.load(one)
        found = [worker.name for worker in registry.workers if worker not in before]
        found += [worker.name for worker in registry.workers if worker.source.startswith(f"{one.file}:")]
        found += [t.worker.name for t in registry.tasks if t.definition.func.__module__ == module.__name__]
        if not found:
            raise ScriptError(
                f"{one.file.name} declares no Worker and no task, so there is nothing to run; write "
                f"worker = upnext.Worker({one.file.stem!r}) and put @worker.task before a function."
            )
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def _chosen(known: Sequence[str], only: Sequence[str] | None) -> list[str]:
    for name in only or ():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise CommandError(
                f"--only {name}: no Worker of these files has that name; {hint}Known: {', '.join(known)}."
            )
    return list(only or known)


def _root_of_main() -> Path:
    file = getattr(sys.modules["__main__"], "__file__", None)
    return source.locate(file).root if file else Path.cwd()


def _require_free_thread() -> None:
    if getattr(apps, "loading", False) and not apps.ready:
        raise ScriptError(
            "upnext.run() was called while Django imports the tasks of its apps, and would never return; put "
            'it below: if __name__ == "__main__".'
        )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ScriptError(
        "upnext.run() was called where an event loop runs, and it runs one of its own until it is stopped; "
        "call it from sync code, or start the worker as a process: upnext run service.py."
    )
