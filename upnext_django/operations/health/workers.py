"""The workers: are there any, do they serve what waits, do their threads hang, is anything paused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from upnext_django import conf
from upnext_django.operations import control, live
from upnext_django.operations.health.finding import Finding, State
from upnext_django.operations.waiting import Reason

__all__ = ["check_workers"]

_NAMED = 5


def check_workers() -> Iterator[Finding]:
    """Raises RedisUnavailable if Redis is not there."""
    reports = [picture.report for picture in live.workers()]
    functions = live.functions()
    alive = [report for report in reports if report.is_alive]
    waiting = sum(one.waiting for one in functions)
    if alive:
        slots, used = sum(one.slots for one in alive), sum(one.used for one in alive)
        yield Finding(
            name="workers",
            state=State.OK,
            found=f"{len(alive)} alive, {used} of {slots} slots taken; {waiting} jobs wait.",
        )
        yield from _quiet([report.id for report in alive if report.state == "quiet"])
    else:
        yield Finding(
            name="workers",
            state=State.FAIL if waiting else State.WARN,
            found=f"No worker is alive; {waiting} jobs wait.",
            fix="Start one: python manage.py upnext_worker.",
        )
    silent = [report.id for report in reports if not report.is_alive]
    if silent:
        yield Finding(
            name="silent workers",
            state=State.WARN,
            found=f"Not heard of for a while: {', '.join(silent[:_NAMED])}.",
            fix="They were killed, hang, or do not reach Redis; their jobs are taken back by the others.",
        )
    yield _unserved(functions)
    yield _stuck({report.id: report.stuck_threads for report in alive})
    yield from _paused()


def _quiet(ids: list[str]) -> Iterator[Finding]:
    if ids:
        yield Finding(
            name="quiet workers",
            state=State.WARN,
            found=f"Told to take no work: {', '.join(ids[:_NAMED])}.",
            fix="Let them take work again on the admin's page of workers, or stop them.",
        )


def _unserved(functions: list[live.FunctionPicture]) -> Finding:
    alone: Counter[str] = Counter()
    for one in functions:
        for standing, count in one.standings:
            if standing.reason is Reason.NO_WORKER:
                alone[f"{one.function} in {one.queue}"] += count
    if not alone:
        found = "A worker knows every function that has waiting jobs."
        return Finding(name="unserved", state=State.OK, found=found)
    named = ", ".join(f"{name} ({count})" for name, count in alone.most_common(_NAMED))
    more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
    return Finding(
        name="unserved",
        state=State.FAIL,
        found=f"No worker runs the waiting jobs of {named}{more}.",
        fix="Start a worker that serves the queue and has the function; upnext_inspect functions says more.",
    )


def _stuck(stuck: dict[str, int]) -> Finding:
    count, most = sum(stuck.values()), conf.get().max_stuck_threads
    if not count:
        return Finding(name="stuck threads", state=State.OK, found="None.")
    named = ", ".join(worker for worker, threads in stuck.items() if threads)
    return Finding(
        name="stuck threads",
        state=State.WARN,
        found=f"{count} threads outlived their job's timeout, on {named}; a worker ends itself past {most}.",
        fix="Give blocking calls a timeout of their own (sockets, subprocesses, locks).",
    )


def _paused() -> Iterator[Finding]:
    for kind, names, word in (
        ("queue", control.paused_queues(), "--queue "),
        ("function", control.paused_functions(), ""),
    ):
        for name in names:
            yield Finding(
                name="paused",
                state=State.WARN,
                found=f"The {kind} {name} is paused.",
                fix=f"python manage.py upnext_resume {word}{name}",
            )
