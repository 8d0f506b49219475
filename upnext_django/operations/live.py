"""Queues, functions and workers as they are right now, read from Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from upnext_django.broker.counts import Limits
from upnext_django.broker.inspector import RunningJob
from upnext_django.broker.lines import Line
from upnext_django.connection import get_broker
from upnext_django.operations import fleet
from upnext_django.operations.fleet import WorkerReport
from upnext_django.operations.waiting import Reason, Scene, Standing, scene, why_line

__all__ = [
    "FunctionPicture",
    "FunctionStanding",
    "QueuePicture",
    "WorkerPicture",
    "functions",
    "queue",
    "queues",
    "standings",
    "workers",
]

_MOST_RUNNING = 200
_MOST_SCHEDULED = 1_000
#: Of a function with a limit for each key, so many lines are asked why they wait.
_MOST_ASKED = 20
#: What bounds a whole function is told before what bounds one key of it.
_WEIGHT = {reason: place for place, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPicture:
    """A function in a queue that has waiting or running jobs.

    ``oldest_s`` is how long the first of them has waited, None if none waits. ``standings`` say why the
    lines of it wait, each reason once with the number of jobs it holds up; of very many limit keys only
    the longest lines are asked.
    """

    function: str
    queue: str
    waiting: int
    running: int
    oldest_s: float | None
    standings: Sequence[tuple[Standing, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePicture:
    """A queue. ``lanes`` are the waiting jobs above, at and below priority 0.

    ``suspects`` are those of them that run alone, since their workers died with them.
    Of the ``slots`` of workers that are alive and take from it ``used`` are taken, by jobs of any queue.
    ``scheduled`` are delayed jobs, ``retrying`` those that run again; of more than 1,000 of both the rest
    counts as scheduled. ``dead`` are open dead letters, ``events`` moves that wait for the mirror.
    ``truncated``: there are more lines than were counted.
    """

    name: str
    paused: bool
    lanes: Mapping[str, int]
    suspects: int
    running: int
    scheduled: int
    retrying: int
    dead: int
    events: int
    oldest_s: float | None
    slots: int
    used: int
    functions: Sequence[FunctionPicture]
    truncated: bool

    @property
    def waiting(self) -> int:
        return sum(self.lanes.values()) + self.suspects

    @property
    def is_shared(self) -> bool:
        """Whether it was told without functions of others; see queue_part.PartOfQueue."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPicture:
    """A worker process and the jobs it has, 200 a queue at most."""

    report: WorkerReport
    running: Sequence[RunningJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionStanding:
    """Whether a function is paused, and the workers that are alive, take work and know it."""

    paused: bool
    workers: Sequence[str]


def queues() -> list[QueuePicture]:
    """Return every queue of the namespace."""
    return [queue(name) for name in get_broker().inspector.queues()]


def queue(name: str) -> QueuePicture:
    """Return one queue; an unknown one is empty."""
    broker = get_broker()
    here = scene(name)
    counts = broker.inspector.counts(name)
    lines, truncated = broker.inspector.lines(name)
    pictures = _functions(here, lines)
    later = broker.inspector.scheduled_states(name, most=_MOST_SCHEDULED)
    retrying = sum(count for (state, _), count in later.items() if state == "retrying")
    ages = [picture.oldest_s for picture in pictures if picture.oldest_s is not None]
    known = {line.function for line in lines} | broker.functions().keys()
    crews = [crew for worker in here.workers for crew in worker.crews if name in crew.capabilities]
    return QueuePicture(
        name=name,
        paused=here.paused,
        lanes={lane: sum(line.waiting for line in lines if line.lane == lane) for lane in "012"},
        suspects=sum(line.waiting for line in lines if line.lane == "s"),
        running=sum(line.running for line in lines),
        scheduled=counts.scheduled - retrying,
        retrying=retrying,
        dead=broker.inspector.dead_letters(name, sorted(known)),
        events=counts.events,
        oldest_s=max(ages, default=None),
        slots=sum(crew.slots for crew in crews),
        used=sum(crew.used for crew in crews),
        functions=pictures,
        truncated=truncated,
    )


def functions() -> list[FunctionPicture]:
    """Return every function that has waiting or running jobs, in each of its queues."""
    inspector = get_broker().inspector
    return [
        picture
        for name in inspector.queues()
        for picture in _functions(scene(name), inspector.lines(name)[0])
    ]


def standings(names: Sequence[str]) -> dict[str, FunctionStanding]:
    """Return how each of ``names`` (identities) stands; the same few looks for one and for many."""
    broker = get_broker()
    paused = set(broker.operator.paused_functions_sync(names))
    reports = [one for one in fleet.workers(broker.inspector.now_ms()) if one.is_alive and one.takes_work]
    return {
        name: FunctionStanding(
            paused=name in paused, workers=[report.id for report in reports if name in report.functions]
        )
        for name in names
    }


def workers() -> list[WorkerPicture]:
    """Return every worker process that Redis has, with what it runs."""
    inspector = get_broker().inspector
    by_worker: defaultdict[str | None, list[RunningJob]] = defaultdict(list)
    for name in inspector.queues():
        for job in inspector.running(name, inspector.lines(name)[0], most=_MOST_RUNNING):
            by_worker[job.worker].append(job)
    return [
        WorkerPicture(report=report, running=sorted(by_worker[report.id], key=lambda job: job.started_ms))
        for report in fleet.workers(inspector.now_ms())
    ]


def _functions(here: Scene, lines: Sequence[Line]) -> list[FunctionPicture]:
    inspector = get_broker().inspector
    by_function: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_function[line.function].append(line)
    names = sorted(by_function)
    limits, knows = inspector.limits(here.queue, names), inspector.knows(here.queue, names)
    pictures = []
    for name in names:
        own = by_function[name]
        oldest_ms = inspector.oldest_ms(here.queue, own)
        pictures.append(
            FunctionPicture(
                function=name,
                queue=here.queue,
                waiting=sum(line.waiting for line in own),
                running=sum(line.running for line in own),
                oldest_s=None if oldest_ms is None else max(0.0, (here.now_ms - oldest_ms) / 1000),
                standings=_standings(here, own, limits[name], knows[name]),
            )
        )
    return pictures


def _standings(
    here: Scene, lines: Sequence[Line], limits: Limits, capabilities: set[str]
) -> list[tuple[Standing, int]]:
    waiting = sorted((line for line in lines if line.waiting), key=lambda line: -line.waiting)
    found: dict[Reason, tuple[Standing, int]] = {}
    for line in waiting[:_MOST_ASKED]:
        standing = why_line(here, line, limits, capabilities)
        first, count = found.get(standing.reason, (standing, 0))
        found[standing.reason] = first, count + line.waiting
    return [found[reason] for reason in sorted(found, key=_WEIGHT.__getitem__)]
