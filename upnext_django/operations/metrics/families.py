"""A scrape as metrics of ``prometheus_client``, which the extra ``metrics`` brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from upnext_django.core.buckets import BOUNDS_MS
from upnext_django.operations.metrics.scrape import Scrape, scrape
from upnext_django.operations.metrics.totals import Durations

__all__ = ["Collector", "families"]

_LANES = {"0": "high", "1": "normal", "2": "low", "s": "suspects"}
#: The last bucket stands for no bound.
_BOUNDS_MS = BOUNDS_MS[:-1]


class Collector:
    """Has ``prometheus_client`` scrape upnext_django: ``REGISTRY.register(Collector())``."""

    def describe(self) -> Sequence[Metric]:
        """Return nothing: to register it must ask neither Redis nor the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        return families(scrape())


def families(found: Scrape) -> Iterator[Metric]:
    """Yield the metrics of a scrape."""
    yield _gauge("redis_up", "Whether Redis answered.", [((), found.census is not None)])
    if found.has_history:
        yield _gauge("database_up", "Whether the database answered.", [((), found.totals is not None)])
    if found.census is not None:
        yield from _of_queues(found)
        yield from _of_workers(found)
    if found.totals is not None:
        yield _counter(
            "jobs_ended",
            "Jobs that reached their final status.",
            sorted(found.totals.ended.items()),
            labels=("queue", "function", "status"),
        )
        yield _counter(
            "retries",
            "Attempts that were followed by another.",
            sorted(found.totals.retried.items()),
            labels=("queue", "function"),
        )
        yield _histogram(found.totals.durations)


def _of_queues(found: Scrape) -> Iterator[Metric]:
    assert found.census is not None
    now_ms, queues = found.census.now_ms, found.census.queues
    waiting: dict[tuple[str, ...], float] = {}
    running: dict[tuple[str, ...], float] = {}
    for queue in queues:
        for line in queue.lines:
            place = queue.name, line.function
            lane = *place, _LANES[line.lane]
            waiting[lane] = waiting.get(lane, 0) + line.waiting
            running[place] = running.get(place, 0) + line.running
    where = ("queue", "function")
    yield _gauge("jobs_waiting", "Jobs that could start now.", waiting.items(), (*where, "lane"))
    yield _gauge("jobs_running", "Jobs that a worker has claimed.", running.items(), where)
    yield _gauge(
        "oldest_waiting_seconds",
        "How long the first of the waiting jobs has waited.",
        [
            ((queue.name, function), max(0, now_ms - since_ms) / 1000)
            for queue in queues
            for function, since_ms in queue.oldest_ms.items()
        ],
        where,
    )
    yield _gauge(
        "dead_letters",
        "Jobs that failed for good and wait for a decision.",
        [((queue.name, function), count) for queue in queues for function, count in queue.dead.items()],
        where,
    )
    for name, help_text, values in (
        (
            "jobs_scheduled",
            "Jobs that run later: delayed ones and retries.",
            [q.counts.scheduled for q in queues],
        ),
        ("queue_paused", "Whether the queue is paused.", [q.counts.paused for q in queues]),
        ("queue_truncated", "Whether it has more lines than were read.", [q.truncated for q in queues]),
        ("events_waiting", "Entries of moves that wait for the mirror.", [q.counts.events for q in queues]),
        ("slots_desired", "Slots that what runs and waits needs.", [found.slots[q.name] for q in queues]),
    ):
        by_queue = [((queue.name,), value) for queue, value in zip(queues, values, strict=True)]
        yield _gauge(name, help_text, by_queue, ("queue",))


def _of_workers(found: Scrape) -> Iterator[Metric]:
    assert found.census is not None
    workers = found.workers
    numbers: dict[str, tuple[str, float]] = {
        "workers": ("Worker processes that are alive.", len(workers)),
        "workers_desired": ("Worker processes that there should be.", found.workers_wanted),
        "slots": ("Slots of the workers that are alive.", sum(one.slots for one in workers)),
        "slots_used": ("Slots that are taken.", sum(one.used for one in workers)),
        "stuck_threads": (
            "Threads that outlived their job's timeout.",
            sum(one.stuck_threads for one in workers),
        ),
    }
    if found.has_history:
        numbers["mirror_up"] = "Whether a mirror writes the history.", found.census.mirror is not None
        numbers["mirror_lag_seconds"] = (
            "How long the oldest move has waited for the mirror.",
            found.census.mirror_lag_s,
        )
    for name, (help_text, value) in numbers.items():
        yield _gauge(name, help_text, [((), value)])


def _gauge(
    name: str,
    help_text: str,
    values: Iterable[tuple[Sequence[str], float]],
    labels: Sequence[str] = (),
) -> Metric:
    family = GaugeMetricFamily(f"upnext_{name}", help_text, labels=labels)
    for where, value in values:
        family.add_metric(where, value)
    return family


def _counter(
    name: str, help_text: str, values: Iterable[tuple[Sequence[str], float]], *, labels: Sequence[str]
) -> Metric:
    family = CounterMetricFamily(f"upnext_{name}", help_text, labels=labels)
    for where, value in values:
        family.add_metric(where, value)
    return family


def _histogram(durations: Mapping[str, Durations]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "upnext_attempt_duration_seconds", "How long attempts ran.", labels=("function",)
    )
    for function, one in sorted(durations.items()):
        below = 0
        buckets = []
        for bound_ms in _BOUNDS_MS:
            below += one.buckets.get(bound_ms, 0)
            buckets.append((str(bound_ms / 1000), below))
        buckets.append(("+Inf", sum(one.buckets.values())))
        family.add_metric((function,), buckets, one.ran_ms / 1000)
    return family
