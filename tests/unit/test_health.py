"""When a worker counts as live and as ready."""

from __future__ import annotations

import asyncio
import threading

from tests.waiting import wait_until
from upnext_django.runtime.health import Health


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def at_work(clock: Clock) -> Health:
    health = Health(clock=clock)
    health.beat(reached_redis=True)
    health.take_jobs(True)
    return health


def test_a_worker_that_starts_lives_and_is_not_ready():
    health = Health(clock=Clock())

    assert health.why_not_live() == ""
    assert health.why_not_ready() == "the worker takes no jobs"


def test_a_worker_that_takes_jobs_is_ready():
    assert at_work(Clock()).why_not_ready() == ""


def test_a_worker_without_redis_lives_and_is_not_ready():
    health = at_work(Clock())

    health.beat(reached_redis=False)

    assert health.why_not_live() == ""
    assert health.why_not_ready() == "Redis does not answer"


def test_a_worker_that_stops_lives_and_is_not_ready():
    health = at_work(Clock())

    health.take_jobs(False)

    assert health.why_not_live() == ""
    assert health.why_not_ready() == "the worker takes no jobs"


def test_a_heartbeat_that_stands_still_is_the_end_of_a_worker():
    clock = Clock()
    health = Health(loop_s=1000.0, clock=clock)
    health.beat(reached_redis=True)

    clock.now_s += 31

    assert health.why_not_live() == health.why_not_ready() == "the heartbeat has stood still for 31 s"


def test_a_loop_that_is_blocked_is_the_end_of_a_worker_until_it_answers_again():
    clock, blocked, release = Clock(), threading.Event(), threading.Event()
    health = at_work(clock)

    def block() -> None:
        blocked.set()
        release.wait(20)

    async def main() -> None:
        watch = asyncio.create_task(health.watch())
        await asyncio.sleep(0)
        await asyncio.to_thread(lambda: None)
        block()
        await asyncio.to_thread(wait_until, lambda: not health.why_not_live(), "the loop has answered", 20)
        watch.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    blocked.wait(20)
    clock.now_s += 12

    assert health.why_not_live() == "the event loop has not answered for 12 s"
    release.set()
    thread.join()
    assert health.why_not_live() == ""
