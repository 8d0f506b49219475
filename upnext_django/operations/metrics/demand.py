"""How many worker processes there should be, for an autoscaler."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from upnext_django.broker.census import QueueCensus
from upnext_django.broker.counts import Limits
from upnext_django.broker.lines import Line
from upnext_django.core.ids import is_job_id, queue_tag, tag_of
from upnext_django.declare.registry import registry
from upnext_django.operations.fleet import WorkerReport

__all__ = ["DRAIN_S", "slots_wanted", "workers_wanted"]

#: What waits now should have been started within so many seconds.
DRAIN_S: Final = 60.0
#: Taken for a function that has not run in the last hour.
_UNKNOWN_S: Final = 1.0


def slots_wanted(
    queues: Sequence[QueueCensus], workers: Sequence[WorkerReport], mean_s: Mapping[str, float]
) -> dict[str, int]:
    """Return, for each queue, the slots that what runs there takes and what waits needs.

    A job that waits needs as much of a slot as it runs, in relation to DRAIN_S: 6,000 jobs of 0.1 s need ten
    slots, one of an hour needs one. What is paused, or over a limit, needs none; parents that wait for their
    children hold none.
    """
    suspended = _suspended(queues, workers)
    return {
        queue.name: math.ceil(
            max(0, sum(line.running for line in queue.lines) - round(suspended[queue.name]))
            + sum(
                min(waiting, waiting * mean_s.get(function, _UNKNOWN_S) / DRAIN_S)
                for function, waiting in _startable(queue).items()
            )
            # What a sum of tenths leaves above a whole number is no further slot.
            - 1e-9
        )
        for queue in queues
    }


def workers_wanted(slots: Mapping[str, int], workers: Sequence[WorkerReport]) -> int:
    """Return the worker processes that have as many slots; 1 at least: crons and the mirror need one.

    They are taken to be as large as those that run now, or, where none does, as this project declares.
    """
    have = [report.slots for report in workers if report.slots]
    each = sum(have) / len(have) if have else max(1, sum(one.concurrency for one in registry.workers))
    return max(1, math.ceil(sum(slots.values()) / each))


def _startable(queue: QueueCensus) -> Counter[str]:
    """Return how many waiting jobs of each function its limits let start within a window of their rate."""
    found: Counter[str] = Counter()
    if queue.counts.paused:
        return found
    partitions: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in queue.lines:
        partitions[line.function, line.digest].append(line)
    for (function, _), lines in partitions.items():
        found[function] += _within(queue.limits.get(function, Limits()), lines)
    return found


def _within(limits: Limits, lines: Sequence[Line]) -> int:
    waiting = sum(line.waiting for line in lines)
    if limits.paused:
        return 0
    if limits.cap is not None:
        waiting = min(waiting, max(0, limits.cap - sum(line.running for line in lines)))
    return waiting if limits.rate is None else min(waiting, limits.rate)


def _suspended(queues: Sequence[QueueCensus], workers: Sequence[WorkerReport]) -> dict[str, float]:
    """Return how many parents wait in each queue: a worker names a hundred of its own, the rest is alike."""
    by_tag = {queue_tag(queue.name): queue.name for queue in queues}
    found: defaultdict[str, float] = defaultdict(float)
    for report in workers:
        suspended = sum(crew.suspended for crew in report.crews)
        named = Counter(by_tag.get(tag_of(one), "") for one in report.waiting_for_children if is_job_id(one))
        for queue, count in named.items():
            found[queue] += suspended * count / named.total()
    return found
