"""What a running job says of itself, as it arrives in Redis and in the events."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.fleet import jobs
from tests.fleet.processes import Fleet
from tests.waiting import wait_until
from upnext_django.core.lifecycle import Move

START_S = 10.0


def reported(fleet: Fleet) -> list[dict[str, Any]]:
    return [msgspec.json.decode(m.data) for m in fleet.moves("quick") if m.move is Move.REPORTED]


def logged(fleet: Fleet) -> list[tuple[Any, ...]]:
    return [tuple(line[1:]) for facts in reported(fleet) for line in facts.get("logs", ())]


def test_progress_is_sent_a_few_times_and_the_last_always(fleet: Fleet):
    fleet.start()

    future = jobs.count_up.submit(800)
    future.result_sync(timeout=START_S)

    job = fleet.job(future.job_id)
    assert job.started_ms is not None
    assert job.completed_ms is not None
    ran_s = (job.completed_ms - job.started_ms) / 1000
    assert (job.progress, job.progress_message) == (100.0, "all")
    assert 2 <= len(reported(fleet)) <= 5 * ran_s + 2


def test_a_checkpoint_reaches_the_next_attempt(fleet: Fleet):
    fleet.start()

    assert jobs.checkpoint_and_fail.options(wait_timeout=START_S).wait_sync().value == {"page": 7}


def test_a_checkpoint_survives_a_crash(fleet: Fleet):
    first = fleet.start()
    future = jobs.checkpoint_and_hold.submit("never")
    wait_until(lambda: fleet.job(future.job_id).checkpoint, "the checkpoint is in Redis", START_S)

    first.kill()
    fleet.start()

    assert future.value_sync(timeout=fleet.lease_s + START_S) == {"page": 7}
    assert [line.attempt for line in fleet.ledger.lines("begun")] == [1, 1]


def test_log_lines_arrive_from_every_way_of_writing_them(fleet: Fleet):
    """The lines of ``ctx.log`` were taken for the engine's own, and INFO never passed the root logger."""
    fleet.start()

    jobs.write_logs.options(wait_timeout=START_S).wait_sync()

    assert logged(fleet) == [
        ("INFO", "sent", {"order": 7}),
        ("INFO", "by its own logger", None),
        ("INFO", "by any logger", None),
    ]


def test_log_lines_arrive_from_a_thread(fleet: Fleet):
    fleet.start()

    jobs.write_logs_in_thread.options(wait_timeout=START_S).wait_sync()

    assert logged(fleet) == [("WARNING", "from a thread", None)]


def test_the_level_of_the_settings_decides_which_records_are_kept(fleet: Fleet):
    fleet.configure(log_level="DEBUG")
    fleet.start()

    jobs.write_logs.options(wait_timeout=START_S).wait_sync()

    assert ("DEBUG", "too fine", None) in logged(fleet)


def test_a_record_brings_its_extra_and_its_exception_and_what_does_not_fit_stops_nothing(fleet: Fleet):
    """An argument whose own ``__str__`` raised went through the handler into the job, and failed it."""
    fleet.start()

    jobs.write_odd_logs.options(wait_timeout=START_S).wait_sync()
    jobs.write_odd_logs_in_thread.options(wait_timeout=START_S).wait_sync()

    *lines, caught, in_thread = logged(fleet)
    assert lines == [
        ("WARNING", "with extra", {"order": 7, "who": {"name": "Ada"}, "odd": "<Odd>"}),
        ("WARNING", "two of %s (its arguments do not fit)", None),
        ("WARNING", "odd: %s (its arguments do not fit)", None),
    ]
    assert caught[1].startswith("caught\nTraceback (most recent call last):")
    assert caught[1].endswith("ZeroDivisionError: by hand")
    assert in_thread == ("WARNING", "odd: %s (its arguments do not fit)", {"odd": "<Odd>"})
