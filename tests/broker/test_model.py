"""The scripts against the plain model: seeded walks, and a search for the shortest way to differ."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.broker.lab import HOUR_MS, Lab, new_job
from tests.broker.model import CacheKey, ModelJob
from tests.broker.walk import CACHE_KEYS, FUNCTIONS, TARGETS, Walk
from upnext_django.core.lifecycle import MOVES, JobStatus, Move

ALL_MOVES = {
    (move, after) for move, table in MOVES.items() for targets in table.values() for after in targets
}
# A hand-back that a cancel turns into an end is told as what it became: settled, cancelled.
ALL_MOVES.remove((Move.HANDED_BACK, JobStatus.CANCELLED))
# An operator's move on a job that has ended; test_replay.py has it.
ALL_MOVES.remove((Move.DISCARDED, JobStatus.FAILED))


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_of_2000_steps_leaves_what_the_model_says(valkey_url: str, namespace: str, seed: int):
    lab = Lab(valkey_url, namespace)
    walk, rng = Walk(lab), random.Random(seed)

    for _ in range(2000):
        walk.step(rng)

    walk.finish()
    lab.close()
    # A walk that went nowhere would prove nothing: every move of the table was made.
    assert walk.seen >= ALL_MOVES


class Machine(RuleBasedStateMachine):
    """The walk's steps as rules, so that a difference is shrunk to its fewest steps."""

    make_lab: Callable[[], Lab]

    def __init__(self) -> None:
        super().__init__()
        self.lab = type(self).make_lab()
        self.walk = Walk(self.lab)

    def teardown(self) -> None:
        self.walk.finish()
        self.lab.close()

    def pick(self, n: int, *statuses: JobStatus) -> ModelJob:
        jobs = self.walk.model.in_status(*statuses) or list(self.walk.model.jobs.values())
        return jobs[n % len(jobs)]

    @rule(
        function=st.sampled_from(FUNCTIONS),
        lane=st.integers(0, 2),
        later=st.booleans(),
        expires=st.booleans(),
        key=st.sampled_from([None, "a"]),
        reply=st.sampled_from([None, "c1"]),
        cache=st.sampled_from(["", "k1", "k1"]),
    )
    def submit(
        self,
        function: str,
        lane: int,
        later: bool,
        expires: bool,
        key: str | None,
        reply: str | None,
        cache: str,
    ) -> None:
        self.walk.submit(
            new_job(
                function,
                queue=self.lab.keys.queue,
                lane=lane,
                delay_ms=HOUR_MS if later else None,
                expires_ms=HOUR_MS if expires else None,
                key=key,
                reply=reply,
                cache=cache,
            )
        )

    @rule(wanted=st.integers(0, 3), suspects=st.booleans(), lanes=st.sampled_from(["012", "210", "1"]))
    def claim(self, wanted: int, suspects: bool, lanes: str) -> None:
        self.walk.claim(wanted, suspects=suspects, lanes=lanes)

    @precondition(lambda self: self.walk.model.jobs)
    @rule(
        n=st.integers(0, 9),
        behind=st.sampled_from([0, 0, 0, 1, 2]),
        end=st.sampled_from(TARGETS),
        caches=st.booleans(),
    )
    def settle(self, n: int, behind: int, end: JobStatus, caches: bool) -> None:
        job = self.pick(n, JobStatus.ACTIVE)
        self.walk.settle((job.id, max(0, job.token - behind), end), caches=caches)

    @rule(key=st.sampled_from(CACHE_KEYS[:2]), by_hand=st.booleans())
    def lose_a_value(self, key: CacheKey, by_hand: bool) -> None:
        if by_hand:
            self.walk.invalidate(key)
        else:
            self.walk.outlive(key)

    @precondition(lambda self: self.walk.model.jobs)
    @rule(n=st.integers(0, 9), behind=st.sampled_from([0, 0, 1]))
    def renew(self, n: int, behind: int) -> None:
        job = self.pick(n, JobStatus.ACTIVE)
        self.walk.renew(job.id, max(0, job.token - behind))

    @precondition(lambda self: self.walk.model.jobs)
    @rule(n=st.integers(0, 9), behind=st.sampled_from([0, 0, 1]))
    def report(self, n: int, behind: int) -> None:
        job = self.pick(n, JobStatus.ACTIVE)
        self.walk.report(job.id, max(0, job.token - behind), b"7")

    @precondition(lambda self: self.walk.model.in_status(JobStatus.ACTIVE))
    @rule(n=st.integers(0, 9))
    def lose_the_lease(self, n: int) -> None:
        self.walk.fall_silent(self.pick(n, JobStatus.ACTIVE))
        self.walk.recover()

    @precondition(lambda self: self.walk.model.jobs)
    @rule(n=st.integers(0, 9))
    def cancel(self, n: int) -> None:
        self.walk.cancel(self.pick(n).id)

    @precondition(lambda self: self.walk.model.jobs)
    @rule(n=st.integers(0, 9))
    def watch(self, n: int) -> None:
        self.walk.watch(self.pick(n).id, "c2")

    @precondition(lambda self: self.walk.model.in_status(JobStatus.SCHEDULED, JobStatus.RETRYING))
    @rule(n=st.integers(0, 9))
    def time_passes(self, n: int) -> None:
        self.walk.make_due(self.pick(n, JobStatus.SCHEDULED, JobStatus.RETRYING))

    @precondition(lambda self: self.walk.model.in_status(JobStatus.SCHEDULED, JobStatus.QUEUED))
    @rule(n=st.integers(0, 9))
    def expire(self, n: int) -> None:
        self.walk.expire(self.pick(n, JobStatus.SCHEDULED, JobStatus.QUEUED))


@pytest.fixture
def labs(valkey_url: str, namespace: str) -> Callable[[], Lab]:
    """Give a maker of labs, each with a queue of its own in the test's namespace."""
    numbers = itertools.count()
    return lambda: Lab(valkey_url, namespace, queue=f"q{next(numbers)}")


def test_no_short_sequence_of_calls_differs_from_the_model(labs: Callable[[], Lab]):
    class OnThisServer(Machine):
        make_lab = staticmethod(labs)

    run_state_machine_as_test(
        OnThisServer,
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True),
    )
