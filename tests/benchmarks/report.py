"""What was measured, held against what is promised: samples, ratios, bounds, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

__all__ = ["BOUNDS", "Bound", "Results", "Verdict", "as_json", "as_markdown", "verdicts"]

OURS = "upnext"
PLAIN = "plain redis-py"

#: What each workload is, its unit, and whether less is better, in the order of the report.
WORKLOADS = {
    "async": ("drain of async no-op jobs", "jobs/s"),
    "sync": ("drain of sync no-op jobs", "jobs/s"),
    "enqueue": ("submits one at a time from one process", "jobs/s"),
    "bulk": ("submits in bulk", "jobs/s"),
    "echo p50": ("submit to result, idle worker, p50", "ms"),
    "echo p95": ("submit to result, idle worker, p95", "ms"),
    "echo p99": ("submit to result, idle worker, p99", "ms"),
    "orm": ("sync job of one insert and one select on PostgreSQL", "jobs/s"),
    "orm bare": ("the same job without a queue, four threads of one process", "jobs/s"),
    "busy 1": ("200 us of Python a job, one process", "jobs/s"),
    "busy 2": ("200 us of Python a job, two processes", "jobs/s"),
    "mirror sqlite": ("mirror, whole lives of jobs to SQLite", "jobs/s"),
    "mirror postgres": ("mirror, whole lives of jobs to PostgreSQL", "jobs/s"),
    "memory idle": ("resident memory of an idle worker", "MB"),
    "memory once": ("resident memory after the jobs", "MB"),
    "memory twice": ("resident memory after as many again", "MB"),
    "raw socket": ("XADD round trips of a bare socket, packed in advance", "1/s"),
}
LESS_IS_BETTER = frozenset({"ms", "MB"})


@dataclass(slots=True)
class Results:
    """The samples of a run by workload and contestant, one a round in the order of the rounds.

    ``failures`` are the texts of what could not be measured; ``facts`` say on what and with which
    versions and settings it was measured.
    """

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, workload: str, contestant: str, value: float) -> None:
        """Keep one sample."""
        self.samples.setdefault(workload, {}).setdefault(contestant, []).append(value)

    def median(self, workload: str, contestant: str = OURS) -> float | None:
        """Return the median of the samples; None if there are none."""
        values = self.samples.get(workload, {}).get(contestant)
        return median(values) if values else None

    def best_peer(self, workload: str) -> str | None:
        """Return the peer with the best median; None if no peer was measured."""
        peers = [name for name in self.samples.get(workload, {}) if name not in (OURS, PLAIN)]
        choose = min if WORKLOADS[workload][1] in LESS_IS_BETTER else max
        return choose(peers, key=lambda name: median(self.samples[workload][name])) if peers else None

    def ratio(self, workload: str, other: str | None, *, of: str | None = None) -> float | None:
        """Return the median over the rounds of ours by ``other``'s; None if either is missing.

        Samples of one round are divided by each other, so that a slow spell of the machine slows
        both. ``of`` is another workload of ours to divide by.
        """
        ours = self.samples.get(workload, {}).get(OURS, [])
        theirs = self.samples.get(of or workload, {}).get(other or OURS, []) if other or of else []
        pairs = [mine / other_value for mine, other_value in zip(ours, theirs, strict=False)]
        return median(pairs) if pairs else None


@dataclass(frozen=True, slots=True)
class Bound:
    """One promise: what is measured, the text of the limit, and how a run is held against it.

    ``judge`` gives the value and whether it holds; None if the run has not measured it.
    """

    workload: str
    text: str
    judge: Callable[[Results], tuple[float, bool] | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bound and how the run met it; ``value`` None was not measured."""

    bound: Bound
    value: float | None
    passed: bool | None

    @property
    def word(self) -> str:
        """PASS, FAIL or not measured."""
        return {True: "PASS", False: "FAIL", None: "not measured"}[self.passed]


def at_least(
    limit: float, value: Callable[[Results], float | None]
) -> Callable[[Results], tuple[float, bool] | None]:
    """Return a judge that wants ``value`` to reach ``limit``."""
    return lambda results: None if (found := value(results)) is None else (found, found >= limit)


def at_most(
    limit: float, value: Callable[[Results], float | None]
) -> Callable[[Results], tuple[float, bool] | None]:
    """Return a judge that wants ``value`` not to pass ``limit``."""
    return lambda results: None if (found := value(results)) is None else (found, found <= limit)


def drain_or_quarter(results: Results) -> tuple[float, bool] | None:
    """Judge the async drain by 20,000/s or a quarter of the plain loop's, whichever is lower."""
    ours, plain = results.median("async"), results.median("async", PLAIN)
    if ours is None or plain is None:
        return None
    return ours, ours >= 20_000 or (results.ratio("async", PLAIN) or 0.0) >= 0.25


def times_fastest(workload: str) -> Callable[[Results], float | None]:
    """Return the ratio to the fastest peer of ``workload``."""
    return lambda results: results.ratio(workload, results.best_peer(workload))


def growth(results: Results) -> float | None:
    """Return the megabytes by which the second lot of jobs made the worker grow."""
    once, twice = results.median("memory once"), results.median("memory twice")
    return None if once is None or twice is None else twice - once


BOUNDS = (
    Bound("async", ">= 20,000/s, or a quarter of the plain loop where that is lower", drain_or_quarter),
    Bound("async", ">= 5 times the fastest peer", at_least(5, times_fastest("async"))),
    Bound("sync", ">= 15,000/s", at_least(15_000, lambda results: results.median("sync"))),
    Bound("sync", ">= 2.5 times the fastest peer", at_least(2.5, times_fastest("sync"))),
    Bound(
        "busy 2",
        ">= 1.6 times one process",
        at_least(1.6, lambda run: run.ratio("busy 2", None, of="busy 1")),
    ),
    Bound(
        "enqueue", ">= 0.6 of bare XADD round trips", at_least(0.6, lambda run: run.ratio("enqueue", PLAIN))
    ),
    Bound("bulk", ">= 40,000/s", at_least(40_000, lambda results: results.median("bulk"))),
    Bound("echo p50", "<= 1 ms", at_most(1.0, lambda results: results.median("echo p50"))),
    Bound("echo p99", "<= 4 ms", at_most(4.0, lambda results: results.median("echo p99"))),
    Bound("echo p50", "<= 1 times the fastest peer", at_most(1.0, times_fastest("echo p50"))),
    Bound("orm", ">= 1.6 times the fastest peer", at_least(1.6, times_fastest("orm"))),
    Bound("mirror sqlite", ">= 8,000/s", at_least(8000, lambda results: results.median("mirror sqlite"))),
    Bound("mirror postgres", ">= 8,000/s", at_least(8000, lambda results: results.median("mirror postgres"))),
    Bound("memory once", "<= 80 MB", at_most(80, lambda results: results.median("memory once"))),
    Bound("memory twice", "<= 2 MB more than once", at_most(2, growth)),
)


def verdicts(results: Results) -> list[Verdict]:
    """Hold a run against every bound."""
    found = [(bound, bound.judge(results)) for bound in BOUNDS]
    return [Verdict(bound, *(judged if judged is not None else (None, None))) for bound, judged in found]


def as_json(results: Results) -> dict[str, Any]:
    """Return all that was measured, and the verdicts, for a program to read."""
    return {
        "facts": results.facts,
        "samples": results.samples,
        "failures": results.failures,
        "bounds": [
            {
                "workload": verdict.bound.workload,
                "bound": verdict.bound.text,
                "value": verdict.value,
                "verdict": verdict.word,
            }
            for verdict in verdicts(results)
        ],
    }


def as_markdown(results: Results) -> str:
    """Return the page for people: facts, verdicts, a table per workload, and what failed."""
    return "\n".join(lines(results)) + "\n"


def lines(results: Results) -> Iterator[str]:
    """Give the lines of the page."""
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`. Every number is a median over the rounds of one run, with the lowest and"
    yield "highest beside it; a ratio divides two samples of the same round. Machines differ and are noisy:"
    yield "read the ratios. A drain of the peers ends when the last job has run, ours when it is settled too."
    yield ""
    for name, value in results.facts.items():
        if isinstance(value, str):
            yield f"- {name}: {value}"
    yield ""
    yield "| promise | bound | measured | |"
    yield "| --- | --- | --- | --- |"
    for verdict in verdicts(results):
        value = "" if verdict.value is None else number(verdict.value)
        yield f"| {WORKLOADS[verdict.bound.workload][0]} | {verdict.bound.text} | {value} | {verdict.word} |"
    for workload in WORKLOADS:
        if workload in results.samples:
            yield ""
            yield from table(results, workload)
    if results.failures:
        yield ""
        yield "## Not measured"
        for failure in results.failures:
            yield ""
            yield "```text"
            yield failure
            yield "```"
    if details := results.facts.get("contestants"):
        yield ""
        yield "## Versions and settings"
        yield ""
        for name, words in details.items():
            yield f"- {name}: {words}"


def table(results: Results, workload: str) -> Iterator[str]:
    """Give the lines of one workload's table, the best contestant first."""
    title, unit = WORKLOADS[workload]
    yield f"## {title[0].upper()}{title[1:]}"
    yield ""
    yield f"| contestant | {unit} | lowest | highest | upnext by it |"
    yield "| --- | --: | --: | --: | --: |"
    of_workload = results.samples[workload]
    for name in sorted(
        of_workload, key=lambda name: median(of_workload[name]), reverse=unit not in LESS_IS_BETTER
    ):
        values = of_workload[name]
        ratio = results.ratio(workload, name) if name != OURS else None
        cells = [name, *(number(value) for value in (median(values), min(values), max(values)))]
        yield f"| {' | '.join(cells)} | {'' if ratio is None else f'{ratio:.2f}'} |"


def number(value: float) -> str:
    """Return a number with as many digits as it is worth."""
    return f"{value:,.0f}" if value >= 200 else f"{value:.2f}"
