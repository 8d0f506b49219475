"""How the benchmarks hold a run against the promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.report import PLAIN, Results, Verdict, as_markdown, verdicts


def run_of(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> Results:
    """Return results with these samples by workload and contestant."""
    results = Results()
    for workload, by_name in samples.items():
        for name, values in by_name.items():
            for value in values:
                results.add(workload, name, value)
    return results


def verdict_on(results: Results, text: str) -> Verdict:
    """Return the one verdict whose bound reads ``text``."""
    [found] = [verdict for verdict in verdicts(results) if verdict.bound.text == text]
    return found


def test_a_ratio_divides_samples_of_one_round():
    results = run_of({"enqueue": {"upnext": [10, 100, 1000], PLAIN: [20, 200, 1000]}})

    assert results.ratio("enqueue", PLAIN) == 0.5


def test_the_fastest_peer_has_the_highest_rate_and_is_never_ours_or_the_plain_loop():
    results = run_of({"sync": {"upnext": [9], PLAIN: [8], "rq": [1], "dramatiq": [5], "celery": [2]}})

    assert results.best_peer("sync") == "dramatiq"


def test_the_fastest_peer_has_the_lowest_latency():
    results = Results()
    results.add("echo p50", "huey", 1.0)
    results.add("echo p50", "celery", 2.2)

    assert results.best_peer("echo p50") == "huey"


def test_a_slow_machine_is_held_to_a_quarter_of_the_plain_loop():
    text = ">= 20,000/s, or a quarter of the plain loop where that is lower"

    assert verdict_on(run_of({"async": {"upnext": [12_000], PLAIN: [40_000]}}), text).passed is True
    assert verdict_on(run_of({"async": {"upnext": [12_000], PLAIN: [60_000]}}), text).passed is False
    assert verdict_on(run_of({"async": {"upnext": [21_000], PLAIN: [90_000]}}), text).passed is True


def test_what_was_not_measured_neither_passes_nor_fails():
    verdict = verdict_on(Results(), ">= 40,000/s")

    assert (verdict.value, verdict.passed, verdict.word) == (None, None, "not measured")


def test_the_page_tells_what_could_not_be_measured():
    results = Results(failures=["rq, sync: 3 of 200 jobs did not run"])

    assert "rq, sync: 3 of 200 jobs did not run" in as_markdown(results)
