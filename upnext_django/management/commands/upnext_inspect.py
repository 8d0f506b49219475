"""``python manage.py upnext_inspect``: what waits, what runs, and why something does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upnext_django.management.operator import told_errors
from upnext_django.operations import live, waiting
from upnext_django.operations.live import FunctionPicture, QueuePicture, WorkerPicture

__all__ = ["Command"]

_JOBS_SHOWN = 10


class Command(BaseCommand):
    """Show queues, workers, functions, running jobs, or one job; reads Redis and changes nothing."""

    help = "Show what stands in Redis now: queues, workers, functions, running jobs, or why a job waits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what",
            nargs="?",
            default="queues",
            choices=["queues", "workers", "functions", "jobs", "job"],
            help="queues unless told; job takes the ID.",
        )
        parser.add_argument("job_id", nargs="?", metavar="ID", help="The job that is asked about.")
        parser.add_argument("--json", action="store_true", help="As JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        what, job_id = options["what"], options["job_id"]
        if (what == "job") is (job_id is None):
            rule = "job takes the id of one job" if what == "job" else f"{what} takes no id"
            raise CommandError(f"upnext_inspect {what}: {rule}; like: upnext_inspect job ID.", returncode=2)
        with told_errors():
            found: Any
            match what:
                case "queues":
                    found, text = (pictures := live.queues()), _queues(pictures)
                case "functions":
                    found, text = (rows := live.functions()), _functions(rows)
                case "workers":
                    found, text = (reports := live.workers()), _workers(reports)
                case "jobs":
                    found = [job for worker in live.workers() for job in worker.running]
                    text = (f"{job.id}  {job.function}  {job.queue}  on {job.worker}" for job in found)
                case _:
                    standing = waiting.why(job_id)
                    found = standing
                    text = (line for line in (standing.text, standing.way_out) if line)
        self.stdout.write(json.dumps(_plain(found), indent=2) if options["json"] else _page(text))


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines) or "Nothing."


def _queues(pictures: Sequence[QueuePicture]) -> Iterable[str]:
    for one in pictures:
        lanes = "/".join(str(one.lanes[lane]) for lane in "012")
        yield f"{one.name}{'  PAUSED' if one.paused else ''}"
        yield (
            f"  {one.waiting} waiting ({lanes} above, at, below priority 0"
            + (f", {one.suspects} alone" if one.suspects else "")
            + f"), the oldest for {_age(one.oldest_s)}; {one.running} running, {one.scheduled} scheduled, "
            f"{one.retrying} retrying, {one.dead} dead letters, {one.events} events for the history"
            + ("; there are more lines than were counted" if one.truncated else "")
        )
        yield from (f"  {line}" for line in _functions(one.functions))


def _functions(rows: Sequence[FunctionPicture]) -> Iterable[str]:
    for row in rows:
        yield (
            f"{row.function} in {row.queue}: {row.waiting} waiting, the oldest for {_age(row.oldest_s)}; "
            f"{row.running} running"
        )
        for standing, count in row.standings:
            yield f"  {count} wait: {standing.text} {standing.way_out}".rstrip()


def _workers(pictures: Sequence[WorkerPicture]) -> Iterable[str]:
    for one in pictures:
        report = one.report
        stuck = f", {report.stuck_threads} threads stuck" if report.stuck_threads else ""
        state = "" if report.takes_work else f" ({report.state.upper()})"
        yield (
            f"{report.id}  {report.host} pid {report.pid}, heard of {report.age_s:.0f} s ago"
            f"{'' if report.is_alive else ' (SILENT)'}{state}, {report.used} of {report.slots} slots taken"
            f"{stuck}; queues {', '.join(report.queues)}"
        )
        for job in one.running[:_JOBS_SHOWN]:
            waits = " (waits for its children)" if job.id in report.waiting_for_children else ""
            yield f"  {job.id}  {job.function}{waits}"
        if len(one.running) > _JOBS_SHOWN:
            yield f"  and {len(one.running) - _JOBS_SHOWN} more; see them with upnext_inspect jobs"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _plain(value: Any) -> Any:
    """Return what the pictures hold as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
