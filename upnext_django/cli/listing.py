"""``upnext list FILE...``: the tasks, crons and event handlers that files declare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from upnext_django.cli import project, source
from upnext_django.core.options import DEFAULTS
from upnext_django.declare.registry import registry
from upnext_django.declare.task import TaskHandle

__all__ = ["list_declared"]

_HEADINGS = {"task": "Tasks", "cron": "Crons", "event": "Event handlers"}


def list_declared(files: Sequence[str], *, as_json: bool, out: TextIO) -> None:
    """Write what ``files`` declare, without one what the project's apps do; needs no Redis.

    Options are shown where they differ from the defaults. Raises ScriptError.
    """
    sources = [source.locate(file) for file in files]
    project.enter(sources[0].root if sources else Path.cwd(), rows=False)
    modules = {source.load(one).__name__ for one in sources}
    events = {handler.name: event for event in registry.events for handler in registry.handlers(event)}
    rows = [
        _row(task, events.get(task.name))
        for task in registry.tasks
        if not modules or task.definition.func.__module__ in modules
    ]
    if as_json:
        out.write(json.dumps(rows, indent=2) + "\n")
        return
    if not rows:
        where = ", ".join(files) or "The installed apps"
        out.write(f"{where}: no task is declared. Put @upnext.task or @worker.task before a function.\n")
        return
    for kind, heading in _HEADINGS.items():
        of_kind = [row for row in rows if row["kind"] == kind]
        if of_kind:
            out.write(f"{heading}\n")
        for row in of_kind:
            out.write(f"  {row['function']}  {_text(row)}\n")


def _row(task: TaskHandle[Any, Any], event: str | None) -> dict[str, Any]:
    definition = task.definition
    told = definition.as_json()
    usual = {**DEFAULTS, "retry_on": None, "no_retry_on": [], "aliases": [], "sensitive": []}
    options = {name: told[name] for name, default in usual.items() if name in told and told[name] != default}
    row = {
        "function": definition.function,
        "function_name": definition.function_name,
        "kind": definition.kind,
        "queue": definition.queue,
        "worker": task.worker.name,
        "source": definition.source,
        "options": options,
    }
    if definition.cron is not None:
        row["cron"] = definition.cron.as_json()
    if event is not None:
        row["event"] = event
    return row


def _text(row: dict[str, Any]) -> str:
    words = [f"queue={row['queue']}", f"worker={row['worker']}"]
    if "cron" in row:
        words.insert(0, f"{row['cron']['expression']!r} {row['cron']['timezone']}")
    if "event" in row:
        words.insert(0, f"on {row['event']!r}")
    words += [f"{name}={_option(name, value)}" for name, value in row["options"].items()]
    return "  ".join(words)


def _option(name: str, value: Any) -> str:
    if name == "rate_limit":
        return f"{value['limit']}/{value['window_ms'] / 1000:g}s"
    return json.dumps(value)
