"""Buckets of durations, for percentiles of many jobs from few numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

__all__ = ["BOUNDS_MS", "bucket_of", "percentile_ms"]

#: Upper bounds, each included: steps of 1, 2, 5, later what people think in; the last stands for no bound.
BOUNDS_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(1_000, 2_000, 5_000, 10_000, 20_000, 60_000),
    *(300_000, 900_000, 3_600_000, 14_400_000, 86_400_000),
    10_000_000_000,
)


def bucket_of(ran_ms: int) -> int:
    """Return the bucket of a duration: the lowest bound that is not below it."""
    return BOUNDS_MS[min(bisect_left(BOUNDS_MS, ran_ms), len(BOUNDS_MS) - 1)]


def percentile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """Return the duration that ``share`` (0 to 1) of the jobs did not exceed; None for no jobs.

    ``counts`` are jobs by bucket, the bucket 0 (never ran) left out. Within a bucket durations are taken as
    evenly spread, so the answer lies in the right bucket and is otherwise an estimate.
    """
    ran = sorted((bound, count) for bound, count in counts.items() if bound > 0 and count > 0)
    total = sum(count for _, count in ran)
    if not total:
        return None
    wanted = share * total
    seen = 0
    for bound, count in ran:
        if seen + count >= wanted:
            below = max((one for one in BOUNDS_MS if one < bound), default=0)
            return below + (bound - below) * max(0.0, wanted - seen) / count
        seen += count
    return float(ran[-1][0])
