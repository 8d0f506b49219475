import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upnext_django.core.lanes import LANES, child_lane, lane_for
from upnext_django.core.rates import Rate, parse_rate
from upnext_django.core.retries import RetryPolicy, delay_before
from upnext_django.exceptions import DefinitionError


@pytest.mark.parametrize(("priority", "lane"), [(100, 0), (1, 0), (0, 1), (-1, 2), (-100, 2)])
def test_a_priority_is_one_of_three_lanes(priority, lane):
    assert lane_for(priority) == lane


@settings(deadline=None)  # a shared machine may be slow
@given(st.sampled_from(LANES), st.integers(-100, 100))
def test_a_child_runs_above_its_parent_and_never_below_its_own_priority(parent, priority):
    lane = child_lane(parent, priority)

    assert lane in LANES
    assert lane < parent or lane == 0
    assert lane <= lane_for(priority)


def test_delays_double_as_documented():
    policy = RetryPolicy(retries=5, delay_s=2.0, backoff=2.0, jitter=0.0)

    assert [delay_before(policy, n, lambda: 0.9) for n in range(1, 6)] == [2, 4, 8, 16, 32]


@settings(deadline=None)  # a shared machine may be slow
@given(
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.floats(0, 10),
    st.floats(0, 1e6),
    st.integers(1, 10**9),
    st.floats(0, 1, exclude_max=True),
)
def test_jitter_only_lengthens_and_the_ceiling_holds(delay, backoff, jitter, ceiling, number, chance):
    policy = RetryPolicy(delay_s=delay, backoff=backoff, jitter=jitter, max_delay_s=ceiling)

    bare = delay_before(policy, number, lambda: 0.0)
    lengthened = delay_before(policy, number, lambda: chance)

    assert min(delay, ceiling) <= bare <= ceiling
    assert bare <= lengthened <= bare * (1 + jitter)


def test_the_default_policy_spreads_a_herd():
    delays = {delay_before(RetryPolicy(), 1, random.Random(seed).random) for seed in range(20)}

    assert len(delays) > 1
    assert all(1.0 <= delay <= 1.1 for delay in delays)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/minute", Rate(10, 60_000)),
        ("10/m", Rate(10, 60_000)),
        ("1/s", Rate(1, 1000)),
        ("1/sec", Rate(1, 1000)),
        ("1/second", Rate(1, 1000)),
        ("7/h", Rate(7, 3_600_000)),
        ("7/hour", Rate(7, 3_600_000)),
        ("7/d", Rate(7, 86_400_000)),
        ("7/day", Rate(7, 86_400_000)),
        ("10/5m", Rate(10, 300_000)),
        (" 10 / 30 s ", Rate(10, 30_000)),
    ],
)
def test_rates_are_a_number_and_a_time(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "10", "0/s", "10/0s", "-1/s", "1.5/s", "10/fortnight", "10 per minute", "\u0661/s", 10, None]
)
def test_a_bad_rate_says_how_to_write_one(text):
    with pytest.raises(DefinitionError, match='"10/minute"') as caught:
        parse_rate(text)

    assert repr(text) in str(caught.value)
