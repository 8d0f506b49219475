"""Buckets of durations and the percentiles read from them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upnext_django.core.buckets import BOUNDS_MS, bucket_of, percentile_ms


@pytest.mark.parametrize(
    ("ran_ms", "bound"), [(0, 1), (1, 1), (2, 2), (3, 5), (500, 500), (501, 1_000), (10**12, BOUNDS_MS[-1])]
)
def test_a_bucket_is_the_lowest_bound_that_is_not_below(ran_ms: int, bound: int):
    assert bucket_of(ran_ms) == bound


def test_nothing_has_no_percentile():
    assert percentile_ms({}, 0.5) is None
    assert percentile_ms({0: 7}, 0.5) is None


@given(st.lists(st.integers(1, 80_000), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_lies_in_the_right_bucket(durations: list[int], share: float):
    exact = sorted(durations)[max(0, -(-len(durations) * int(share * 100) // 100) - 1)]

    estimate = percentile_ms(Counter(map(bucket_of, durations)), share)

    assert estimate is not None
    below = max((bound for bound in BOUNDS_MS if bound < exact), default=0)
    assert below <= estimate <= bucket_of(exact)
