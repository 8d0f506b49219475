"""Caps, rates and pauses: what may start is decided by the claim, and whoever makes room wakes who waits."""

from __future__ import annotations

import pytest

from tests.broker.lab import FUNCTION, Lab, new_job
from upnext_django.broker.scripts.register import Limit
from upnext_django.broker.scripts.settle import Settlement
from upnext_django.core.lifecycle import JobStatus

OTHER = "shop.tasks.other"
READY = "ready:1"


@pytest.fixture
def capped(lab: Lab) -> Lab:
    lab.register(limit=Limit(cap=2), announce=True)
    return lab


@pytest.fixture
def rated(lab: Lab) -> Lab:
    lab.register(limit=Limit(rate=3, window_ms=60_000), announce=True)
    return lab


def complete(lab: Lab, *claimed: object) -> None:
    lab.settle_all(*(Settlement(c.id, c.token, JobStatus.COMPLETE, b"{}") for c in claimed))  # type: ignore[attr-defined]


def test_no_more_than_the_cap_run_at_once(capped: Lab):
    capped.submit(*(new_job() for _ in range(5)))

    first = capped.claim(10)
    second = capped.claim(10)

    assert len(first.jobs) == 2
    assert second.jobs == []
    assert not second.left, "what may not start is no work to look for again"


def test_whoever_ends_makes_room_and_rings(capped: Lab):
    capped.submit(*(new_job() for _ in range(3)))
    first, _ = capped.claim(10).jobs
    capped.run(
        b"DEL", *[key for key in (capped.keys.prefix + name for name in capped.dump()) if ":bell:" in key]
    )

    complete(capped, first)

    assert any(name.startswith("bell:") for name in capped.dump())
    assert len(capped.claim(10).jobs) == 1


def test_the_cap_holds_over_lanes_and_suspects(capped: Lab):
    capped.submit(new_job(lane=0), new_job(lane=1), new_job(lane=2))

    assert len(capped.claim(10).jobs) == 2
    assert capped.claim(10).jobs == []


def test_a_lost_worker_gives_its_places_back(capped: Lab):
    capped.submit(*(new_job() for _ in range(3)))
    first, _ = capped.claim(10).jobs

    capped.lose(first.id)

    assert len(capped.claim(10).jobs) == 1, "one place was lost and is free"


def test_a_hand_back_gives_its_place_back(capped: Lab):
    capped.submit(*(new_job() for _ in range(3)))
    first, _ = capped.claim(10).jobs

    capped.settle(first.id, first.token, JobStatus.QUEUED)

    assert len(capped.claim(10).jobs) == 1


def test_a_function_at_its_limit_does_not_hold_up_others(capped: Lab):
    capped.submit(*(new_job() for _ in range(5)))
    capped.claim(10)
    capped.register(FUNCTION, OTHER, limit=Limit(cap=2))
    capped.submit(new_job(OTHER))

    (other,) = capped.claim(10, functions=(FUNCTION, OTHER)).jobs

    assert other.stream.startswith(f"stream:{OTHER}:")


def test_each_key_has_a_cap_of_its_own(capped: Lab):
    capped.submit(*(new_job(digest="aa") for _ in range(3)), *(new_job(digest="bb") for _ in range(3)))

    streams = [job.stream for job in capped.claim(10).jobs]

    assert sorted(streams) == [f"stream:{FUNCTION}:1:aa"] * 2 + [f"stream:{FUNCTION}:1:bb"] * 2


def test_a_keys_stream_goes_with_its_last_job(capped: Lab):
    capped.submit(new_job(digest="aa"))
    (only,) = capped.claim(10).jobs

    complete(capped, only)

    assert f"stream:{FUNCTION}:1:aa" not in capped.dump()
    assert capped.at("streams") is None


def test_a_cancelled_job_takes_its_keys_stream_along(capped: Lab):
    job_id = capped.submit_one(digest="aa")

    capped.cancel(job_id)

    assert capped.at("streams") is None


def test_a_suspect_keeps_its_key(capped: Lab):
    capped.submit(new_job(digest="aa"))
    for _ in range(2):
        (claimed,) = capped.claim(10).jobs
        capped.lose(claimed.id)

    (again,) = capped.claim(10).jobs

    assert again.stream == f"suspects:{FUNCTION}:aa"


def test_no_window_has_more_starts_than_the_rate(rated: Lab):
    rated.submit(*(new_job() for _ in range(5)))

    first = rated.claim(10)
    complete(rated, *first.jobs)

    assert len(first.jobs) == 3
    assert rated.claim(10).jobs == [], "an end makes no room in a rate"
    assert first.due_in_ms is not None
    assert 0 < first.due_in_ms <= 60_000


def test_the_window_opens_when_its_oldest_start_leaves_it(rated: Lab):
    rated.submit(*(new_job() for _ in range(5)))
    complete(rated, *rated.claim(10).jobs)
    log = rated.keys.prefix + f"rate:{FUNCTION}"
    oldest = rated.run(b"ZRANGE", log, 0, 0)[0]

    rated.run(b"ZADD", log, rated.now_ms() - 60_000, oldest)
    rated.run(b"ZADD", rated.keys.prefix + "throttled", 1, f"stream:{FUNCTION}:1")

    assert len(rated.claim(10).jobs) == 1


def test_every_attempt_counts_as_a_start(rated: Lab):
    rated.submit(new_job())
    for _ in range(3):
        (claimed,) = rated.claim(10).jobs
        rated.settle(claimed.id, claimed.token, JobStatus.RETRYING)
        rated.make_due(claimed.id)

    assert rated.claim(10).jobs == []


def test_starts_in_the_future_of_a_clock_that_went_back_count_from_now(rated: Lab):
    rated.submit(*(new_job() for _ in range(5)))
    log = rated.keys.prefix + f"rate:{FUNCTION}"
    rated.run(b"ZADD", log, rated.now_ms() + 3_600_000, "ahead")

    assert len(rated.claim(10).jobs) == 2
    assert all(
        float(score) <= rated.now_ms() for score in rated.run(b"ZRANGE", log, 0, -1, b"WITHSCORES")[1::2]
    )


def test_a_limited_function_gets_no_more_than_there_are_slots(capped: Lab):
    capped.submit(*(new_job() for _ in range(5)))

    first = capped.claim(10, slots=1)
    second = capped.claim(10, slots=0)

    assert len(first.jobs) == 1
    assert second.jobs == []
    assert second.needs_slot


def test_slots_do_not_bound_a_function_without_limits(lab: Lab):
    lab.submit(*(new_job() for _ in range(5)))

    assert len(lab.claim(10, slots=1).jobs) == 5


def test_a_wider_limit_of_a_new_deploy_lets_more_in(capped: Lab):
    capped.submit(*(new_job() for _ in range(5)))
    capped.claim(10)

    capped.register(limit=Limit(cap=4), announce=True)

    assert len(capped.claim(10).jobs) == 2


def test_an_old_workers_heartbeat_changes_no_limit(capped: Lab):
    capped.submit(*(new_job() for _ in range(5)))

    capped.register(limit=Limit(cap=5))

    assert len(capped.claim(10).jobs) == 2


def test_a_paused_function_starts_nothing_and_keeps_its_jobs(lab: Lab):
    assert lab.pause()
    assert not lab.pause(), "it is paused already"
    job_id = lab.submit_one()

    assert lab.claim(10).jobs == []
    assert lab.status(job_id) == "queued"

    assert lab.pause(paused=False)
    assert [job.id for job in lab.claim(10).jobs] == [job_id]


def test_a_paused_queue_starts_nothing(lab: Lab):
    job_id = lab.submit_one()
    assert lab.pause(None)

    assert lab.claim(10).jobs == []

    assert lab.pause(None, paused=False)
    assert [job.id for job in lab.claim(10).jobs] == [job_id]


def test_a_running_job_of_a_paused_function_ends(lab: Lab):
    claimed = lab.claim_one()
    lab.pause()

    assert lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE) == "complete"


@pytest.mark.parametrize("limit", [Limit(cap=3), Limit(rate=20, window_ms=60_000)], ids=["cap", "rate"])
def test_taking_turns_gets_everything_done_within_the_limit(lab: Lab, limit: Limit):
    """A model of many workers: claim, end some, claim again; at no moment is the limit passed."""
    lab.register(limit=limit, announce=True)
    lab.submit(*(new_job(lane=n % 3) for n in range(20)))
    running: dict[str, object] = {}
    done = 0

    for turn in range(200):
        for claimed in lab.claim(1 + turn % 4, worker=f"w{turn % 3}").jobs:
            running[claimed.id] = claimed
        assert limit.cap is None or len(running) <= limit.cap
        if running:
            complete(lab, running.pop(next(iter(running))))
            done += 1

    assert done == 20
