"""``python manage.py upnext_worker``: run background jobs until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import autoreload

from upnext_django import conf
from upnext_django.broker.broker import Broker
from upnext_django.connection import get_broker
from upnext_django.dbscope import DatabaseScope
from upnext_django.declare.registry import registry
from upnext_django.declare.worker import Worker
from upnext_django.exceptions import UpNextError
from upnext_django.management.arguments import Address, health_address
from upnext_django.management.logs import show_logs
from upnext_django.management.pool import set_up_pool_process
from upnext_django.management.probe import ProbeServer, listen
from upnext_django.management.reload import (
    ReloadingParent,
    follow_parent,
    project_folders,
    take_lifeline,
)
from upnext_django.management.screen import StartScreen
from upnext_django.management.supervise import become_supervisor
from upnext_django.management.supervised import Supervised, stop_at_the_end_of
from upnext_django.management.tables import require_tables
from upnext_django.mirror.service import MirrorService
from upnext_django.operations.bulk.service import BulkService
from upnext_django.operations.pruner import Pruner
from upnext_django.relay.service import RelayService
from upnext_django.runtime.health import Health
from upnext_django.runtime.loop import loop_factory
from upnext_django.runtime.options import EXIT_OK, EXIT_RECYCLED, WorkerOptions
from upnext_django.runtime.process import WorkerProcess
from upnext_django.runtime.service import Service
from upnext_django.runtime.serving import serving
from upnext_django.runtime.ticker import served_crons
from upnext_django.runtime.timetable import Timetable
from upnext_django.schedules.reader import ScheduleReader

__all__ = ["Command"]

_KILL_MARGIN_S = 15.0  # beyond the shutdown timeout, before a parent kills a worker that hangs


class Command(BaseCommand):
    """Run the Workers of the installed apps in this process."""

    help = (
        "Run background jobs. SIGTERM or Ctrl-C lets running jobs end; a second one hands them back at once."
    )

    #: Makes a fresh process of the workers' pools one of the project; the console script has its own way.
    enter: Callable[[], object] = staticmethod(django.setup)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", action="append", metavar="NAME", help="Run this Worker; may be given several times."
        )
        parser.add_argument("--queues", type=_names, metavar="A,B", help="Serve these queues only.")
        parser.add_argument(
            "--concurrency",
            type=_at_least_one,
            metavar="N",
            help="Jobs at once, instead of each Worker's own.",
        )
        parser.add_argument("--no-cron", action="store_true", help="Leave the crons to other processes.")
        parser.add_argument("--no-mirror", action="store_true", help="Leave the history to other processes.")
        parser.add_argument("--no-relay", action="store_true", help="Leave the outbox to other processes.")
        parser.add_argument("--burst", action="store_true", help="End when nothing is left that could run.")
        parser.add_argument(
            "--shutdown-timeout",
            type=_seconds,
            default=25.0,
            metavar="S",
            help="Seconds that running jobs have to end before they are handed back (default: 25).",
        )
        parser.add_argument(
            "--processes",
            type=_at_least_one,
            metavar="N",
            help="Run N such workers under one parent that replaces those that end.",
        )
        parser.add_argument(
            "--max-jobs",
            type=_at_least_one,
            metavar="N",
            help="End, to be replaced, after about N jobs.",
        )
        parser.add_argument(
            "--max-memory",
            type=_at_least_one,
            metavar="MB",
            help="End, to be replaced, when the worker and the processes of its sync tasks use more.",
        )
        parser.add_argument(
            "--health-file",
            type=Path,
            metavar="PATH",
            help="Touch this file every few seconds while all is well; it is deleted at the end.",
        )
        parser.add_argument(
            "--health-port",
            type=health_address,
            metavar="[HOST:]PORT",
            help="Answer probes by HTTP here: /health says that the worker lives, /ready that it takes jobs.",
        )
        parser.add_argument(
            "--reload", action="store_true", help="Start again after each edit of the project."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        show_logs(options["verbosity"], sys.stderr)
        supervised = Supervised.of_this_process()
        is_replaced = supervised is not None or ReloadingParent.is_child()
        if options["reload"] and not is_replaced:
            code = self._watch(options)
        elif options["processes"] is not None and supervised is None:
            code = self._supervise(options)
        else:
            code = self._run(options, supervised)
            if code == EXIT_RECYCLED and not is_replaced:
                code = EXIT_OK  # it has done its share; a supervisor of any kind starts another
        if code:
            sys.exit(code)

    def _watch(self, options: dict[str, Any]) -> int:
        return ReloadingParent(
            [str(argument) for argument in autoreload.get_child_arguments()],
            folders=project_folders(),
            report=self.stderr.write,
            drain_s=options["shutdown_timeout"] + _KILL_MARGIN_S,
        ).run()

    def _supervise(self, options: dict[str, Any]) -> NoReturn:
        # What is wrong with the options is said once, here; the workers find out about the rest.
        workers = _chosen(options["only"])
        _served(workers, options["queues"])
        _only_url(workers)
        health_file = options["health_file"]
        listener = _listener(options["health_port"])
        if listener is not None:
            listener.set_inheritable(True)
        become_supervisor(
            arguments=[str(argument) for argument in autoreload.get_child_arguments()],
            processes=options["processes"],
            drain_s=options["shutdown_timeout"] + _KILL_MARGIN_S,
            burst=options["burst"],
            lifeline=take_lifeline(),
            health_file=None if health_file is None else str(health_file),
            health_fd=None if listener is None else listener.fileno(),
        )

    def _run(self, options: dict[str, Any], supervised: Supervised | None) -> int:
        workers = _chosen(options["only"])
        served = _served(workers, options["queues"])
        listener = _listener(options["health_port"]) if supervised is None else None
        worker_options = WorkerOptions(
            concurrency=options["concurrency"],
            queues=options["queues"],
            burst=options["burst"],
            cron=not options["no_cron"],
            shutdown_timeout_s=options["shutdown_timeout"],
            max_jobs=options["max_jobs"],
            max_memory_mib=options["max_memory"],
            health_file=_health_file(options["health_file"], supervised),
        )
        try:
            url = _only_url(workers)
            broker = get_broker(url)
            history = self._services(
                broker,
                mirror=not options["no_mirror"],
                relay=not options["no_relay"],
                burst=options["burst"],
            )
            services = [*history]
            timetable = None
            # A row belongs to the project's own Redis; a process for another one would run it there too.
            if conf.get().history and not options["burst"] and url in (None, conf.get().redis_url):
                # Like the pruner it serves all: "--only" and "--queues" choose whose jobs run here.
                services.append(BulkService(broker))
            if worker_options.ticks and url in (None, conf.get().redis_url):
                timetable = Timetable(served_crons(workers, worker_options.queues))
                services.append(ScheduleReader(broker, timetable, using=conf.get().database))
            process = WorkerProcess(
                workers,
                worker_options,
                broker=broker,
                scope=DatabaseScope(),
                services=services,
                timetable=timetable,
                pool_setup=partial(set_up_pool_process, options["verbosity"], self.enter),
                on_ready=None if supervised is None else supervised.tell_ready,
            )
            _stop_on_signals(process)
            if supervised is not None:
                supervised.tell_health(process.health)
            if supervised is None or supervised.screen:
                screen = _screen(workers, worker_options, broker, served, history, options["processes"])
                self.stdout.write(str(screen))
            follow_parent(process.stop)
            if supervised is not None:
                stop_at_the_end_of(supervised.lifeline, process.stop)
            with _probes(listener, process.health):
                return process.run()
        except (ImproperlyConfigured, UpNextError) as error:
            raise CommandError(str(error)) from error

    def _services(self, broker: Broker, *, mirror: bool, relay: bool, burst: bool) -> list[Service]:
        settings = conf.get()
        services: list[Service] = []
        if mirror and settings.history:
            services.append(MirrorService(broker, using=settings.database))
            if not burst:
                services.append(Pruner(broker))
        if relay and settings.outbox:
            services.append(RelayService(broker))
        warning = require_tables(settings.database) if services else None
        if warning is not None:
            self.stderr.write(self.style.WARNING(warning))
        return services


def _stop_on_signals(process: WorkerProcess) -> None:
    """Hear a signal that comes before the process itself listens: it has claimed nothing and ends with 0."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())


def _chosen(only: Sequence[str] | None) -> list[Worker]:
    """Return the Workers to run. Raises CommandError for a name that none has."""
    known = {worker.name: worker for worker in registry.workers}
    if not known:
        raise CommandError(
            "No Worker and no task is declared, so there is nothing to run; put functions with @upnext.task "
            "into tasks.py of an installed app."
        )
    if not only:
        return list(known.values())
    for name in only:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise CommandError(
                f"--only {name}: no Worker has that name. {hint}Known: {', '.join(sorted(known))}."
            )
    return [known[name] for name in dict.fromkeys(only)]


def _served(workers: Sequence[Worker], only: frozenset[str] | None) -> set[str]:
    """Return the queues that the process serves. Raises CommandError for one that no Worker has."""
    declared = {worker.queue for worker in workers}
    declared |= {task.definition.queue for worker in workers for task in worker.tasks}
    if only is None:
        return declared
    unknown = sorted(only - declared)
    if unknown:
        raise CommandError(
            f"--queues {','.join(unknown)}: no chosen Worker has such a queue. "
            f"Known: {', '.join(sorted(declared))}."
        )
    return set(only)


def _only_url(workers: Sequence[Worker]) -> str | None:
    """Return the Redis that all of ``workers`` use. Raises CommandError if they use several."""
    urls = {worker.redis_url for worker in workers}
    if len(urls) > 1:
        groups = " and ".join(
            ", ".join(worker.name for worker in workers if worker.redis_url == url) for url in urls
        )
        raise CommandError(
            f"The Workers {groups} use different Redis servers, and one process serves one; start a process "
            "for each, with --only."
        )
    return urls.pop()


def _screen(
    workers: Sequence[Worker],
    options: WorkerOptions,
    broker: Broker,
    queues: set[str],
    services: Sequence[Service],
    processes: int | None,
) -> StartScreen:
    tasks = [task for worker in workers for task in worker.tasks if task.definition.queue in queues]
    return StartScreen(
        redis=broker.url_masked,
        workers=tuple(worker.name for worker in workers),
        queues=tuple(sorted(queues)),
        slots=sum(options.concurrency or worker.concurrency for worker in workers),
        processes=processes or 1,
        tasks=tuple(task.name for task in tasks if task.definition.cron is None),
        crons=_crons(workers, options),
        secrets=tuple(
            {name: None for one in serving(workers, options.queues) for name in one.options.secrets}
        ),
        loop="asyncio" if loop_factory() is asyncio.new_event_loop else "uvloop",
        history=_done("written", MirrorService, services) if conf.get().history else "off",
        outbox=_done("relayed", RelayService, services) if conf.get().outbox else None,
        stop=(
            "Ends when no job is left that could run."
            if options.burst
            else "Stop with Ctrl-C or SIGTERM: running jobs have "
            f"{options.shutdown_timeout_s:g} s to end; once more to hand them back at once."
        ),
    )


def _done(verb: str, kind: type[Service], services: Sequence[Service]) -> str:
    here = any(isinstance(service, kind) for service in services)
    return f"{verb} here" if here else "left to other processes"


def _crons(workers: Sequence[Worker], options: WorkerOptions) -> tuple[str, ...]:
    """Return the lines of the screen about crons; none where other processes make their jobs."""
    crons = served_crons(workers, options.queues)
    if crons and (options.burst or not options.cron):
        return ("left to other processes",)
    return tuple(
        f"{cron.function}  {cron.cron.schedule.text}  {cron.cron.schedule.timezone}"
        for cron in crons
        if cron.cron is not None
    )


def _health_file(path: Path | None, supervised: Supervised | None) -> Path | None:
    """Return this worker's own file; one of several has a number, and the parent touches ``path``."""
    return path if path is None or supervised is None else Path(f"{path}.{supervised.number}")


def _listener(address: Address | None) -> socket.socket | None:
    """Return a socket that hears the address. Raises CommandError."""
    if address is None:
        return None
    try:
        return listen(address.host, address.port)
    except OSError as error:
        raise CommandError(
            f"--health-port {address}: {_reason(error)}. Give a free port of 1024 or above, and a host "
            "of this machine or none."
        ) from error


def _reason(error: OSError) -> str:
    # create_server() adds the address to its text; a name that cannot be resolved has a number below 0.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


@contextmanager
def _probes(listener: socket.socket | None, health: Health) -> Iterator[None]:
    """Answer probes meanwhile, where any are to be heard."""
    if listener is None:
        yield
        return
    server = ProbeServer(listener, live=health.why_not_live, ready=health.why_not_ready)
    server.start()
    try:
        yield
    finally:
        server.close()


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names no queue; give names with commas between them")
    return names


def _at_least_one(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds < float("inf"):
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
