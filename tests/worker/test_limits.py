"""Waits among functions with a cap: what could never end is refused, what can end does."""

from __future__ import annotations

import pytest

from tests.fleet import limited
from tests.fleet.processes import Fleet
from upnext_django.exceptions import TaskExecutionError

TIMEOUT_S = 10.0


@pytest.fixture
def served(fleet: Fleet) -> Fleet:
    fleet.start(modules=["tests.fleet.limited"], workers=["limited"])
    return fleet


def test_waiting_for_a_function_whose_only_place_one_holds_is_refused(served: Fleet):
    told = limited.alone.submit(1).value_sync(timeout=TIMEOUT_S)

    assert told.startswith("refused: Job ")
    assert "max_concurrency=1" in told


def test_a_circle_through_another_function_is_refused_where_it_closes(served: Fleet):
    with pytest.raises(TaskExecutionError) as raised:
        limited.there.submit(back=True).value_sync(timeout=TIMEOUT_S)

    assert "WorkflowDeadlock" in raised.value.error


def test_waiting_for_others_under_a_cap_of_one_ends(served: Fleet):
    assert limited.there.submit(back=False).value_sync(timeout=TIMEOUT_S) == "plain"
