"""What user code logs, however oddly, is a line of its job's log and never ends the job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import upnext_django as upnext
from tests.fleet import talking
from tests.fleet.processes import Fleet
from upnext_django.core.lifecycle import Move

SERVED: dict[str, Any] = {"modules": ("tests.fleet.talking",), "workers": ("talking",)}
WAIT_S = 15.0


@pytest.fixture
def served(fleet: Fleet) -> Fleet:
    fleet.start_ready(**SERVED)
    return fleet


def lines_of(fleet: Fleet, task: upnext.TaskHandle[..., Any]) -> list[tuple[Any, ...]]:
    """Run a job of ``task`` and return its log as (level, message, data)."""
    task.options(wait_timeout=WAIT_S).wait_sync()
    reports = [msgspec.json.decode(m.data) for m in fleet.moves("talking") if m.move is Move.REPORTED]
    return [tuple(line[1:]) for facts in reports for line in facts.get("logs", ())]


def test_loggers_that_do_not_propagate_are_heard_once(served: Fleet):
    """LOGGING with "propagate": False, which is common, kept its records from the job's log."""
    assert lines_of(served, talking.by_a_logger_that_does_not_propagate) == [("WARNING", "declined", None)]


def test_extra_is_kept_as_data(served: Fleet):
    [(level, message, data)] = lines_of(served, talking.with_extra)

    assert (level, message) == ("WARNING", "paid")
    assert data == {
        "order": 7,
        "id": "00000000-0000-0000-0000-000000000001",
        "token": "t0p",
        "of": "<Unspeakable>",
    }


def test_extra_that_is_too_large_is_left_out(served: Fleet):
    assert lines_of(served, talking.with_too_much_extra) == [("WARNING", "paid", None)]


def test_arguments_without_a_text_cost_the_text_and_not_the_job(served: Fleet):
    """An error of the user's ``__str__`` came out of logger.warning() and failed the job."""
    lines = lines_of(served, talking.with_arguments_that_fail)

    assert [message for _, message, _ in lines] == [
        "paid by %s (its arguments do not fit)",
        "paid %d (its arguments do not fit)",
    ]


def test_of_a_long_traceback_both_ends_are_kept(served: Fleet):
    [(level, message, _)] = lines_of(served, talking.with_an_exception)

    assert level == "ERROR"
    assert message.startswith("refused\nTraceback (most recent call last)")
    assert message.endswith(" is too long")
    assert "characters left out" in message
    assert len(message) < 9_000


def test_texts_that_no_database_takes_are_made_storable(served: Fleet):
    """A file's name with a lone surrogate, logged, kept its job from ever being settled."""
    assert lines_of(served, talking.with_unstorable_texts) == [
        ("WARNING", "no file caf\ufffd", None),
        ("INFO", "no file caf\ufffd\ufffd", None),
    ]


def test_lazy_texts_are_read(served: Fleet):
    assert lines_of(served, talking.with_a_lazy_text) == [("INFO", "half", None)]


def test_threads_are_heard_if_they_have_the_jobs_context(served: Fleet):
    lines = lines_of(served, talking.from_elsewhere)

    assert [message for _, message, _ in lines] == ["to_thread", "thread", "task"]


def test_send_log_does_not_ask_for_the_level(fleet: Fleet):
    fleet.configure(log_level="WARNING")
    fleet.start_ready(**SERVED)

    assert lines_of(fleet, talking.quietly) == [("DEBUG", "kept", None)]
