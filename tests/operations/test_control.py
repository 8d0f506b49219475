"""Pause and resume on a real Redis."""

from __future__ import annotations

import pytest

from tests.broker.lab import FUNCTION, QUEUE, Lab
from upnext_django.connection import get_broker
from upnext_django.exceptions import UnknownQueue, UnknownTask
from upnext_django.operations import control


@pytest.fixture
def known(lab: Lab) -> Lab:
    """Give the queue, with FUNCTION in the registry of functions as a worker writes it."""
    facts = b'{"queue": "mail", "aliases": ["send"]}'
    lab.run(b"HSET", get_broker().names.functions, FUNCTION, facts)
    return lab


@pytest.mark.parametrize("name", [FUNCTION, "send"])
def test_a_paused_function_keeps_its_jobs_until_it_is_resumed(known: Lab, name: str):
    job_id = known.submit_one()

    assert control.pause_function(name, by="ada")
    assert not control.pause_function(name)
    assert control.paused_functions() == [FUNCTION]
    assert known.claim().jobs == []

    assert control.resume_function(name)
    assert not control.resume_function(name)
    assert control.paused_functions() == []
    assert [job.id for job in known.claim().jobs] == [job_id]


def test_a_paused_queue_keeps_its_jobs_until_it_is_resumed(known: Lab):
    job_id = known.submit_one()

    assert control.pause_queue(QUEUE)
    assert control.paused_queues() == [QUEUE]
    assert known.claim().jobs == []

    assert control.resume_queue(QUEUE)
    assert control.paused_queues() == []
    assert [job.id for job in known.claim().jobs] == [job_id]


def test_a_name_that_nothing_knows_is_refused_with_the_nearest(known: Lab):
    with pytest.raises(UnknownTask, match=f"did you mean '{FUNCTION}'"):
        control.pause_function(FUNCTION + "s")
    with pytest.raises(UnknownQueue, match=rf"'mial'.*{QUEUE}"):
        control.pause_queue("mial")
