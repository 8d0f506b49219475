import os
import time
import uuid
from binascii import crc_hqx
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upnext_django.core.ids import (
    child_job_id,
    created_ms,
    is_job_id,
    new_job_id,
    queue_tag,
    tag_of,
    tick_job_id,
)

CALL: dict[str, Any] = {
    "first_claim_ms": 1_700_000_000_123,
    "parent_id": "018bcfe5-687b-7001-8000-000000000000",
    "attempt": 1,
    "function": "shop.tasks.send",
    "arguments": b"[[1],{}]",
    "ordinal": 0,
}


@settings(deadline=None)  # a shared machine may be slow
@given(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_a_new_id_is_a_uuid7_of_now_that_leads_to_its_queue(queue):
    before = time.time_ns() // 1_000_000

    job_id = new_job_id(queue)

    parsed = uuid.UUID(job_id)
    assert str(parsed) == job_id
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert tag_of(job_id) == queue_tag(queue) == crc_hqx(queue.encode(), 0)
    # A burst borrows from the milliseconds ahead, so the id's time may be a little after now.
    created = created_ms(job_id)
    assert created is not None
    assert before <= created <= time.time_ns() // 1_000_000 + 1000
    assert is_job_id(job_id)


def test_ids_of_one_thread_sort_in_the_order_they_were_made():
    made = [new_job_id("emails") for _ in range(20_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_never_make_the_same_id():
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda _: [new_job_id("q") for _ in range(3000)], range(8))
        made = [job_id for part in parts for job_id in part]

    assert len(set(made)) == 24_000


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_makes_ids_of_its_own():
    """A child that inherits the parent's random numbers would repeat its random parts."""
    new_job_id("q")
    reader, writer = os.pipe()

    child = os.fork()
    if child == 0:
        os.write(writer, new_job_id("q").encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 36).decode()
    os.close(reader)
    os.close(writer)

    assert theirs[19:32] != new_job_id("q")[19:32]


def test_a_childs_id_is_the_same_for_the_same_call_of_the_same_attempt():
    job_id = child_job_id("emails", **CALL)

    assert job_id == child_job_id("emails", **CALL)
    assert (uuid.UUID(job_id).version, uuid.UUID(job_id).variant) == (8, uuid.RFC_4122)
    assert created_ms(job_id) == CALL["first_claim_ms"]
    assert tag_of(job_id) == queue_tag("emails")


@pytest.mark.parametrize(
    "change",
    [
        {"first_claim_ms": 1_700_000_000_124},
        {"parent_id": "018bcfe5-687b-7001-8000-000000000001"},
        {"attempt": 2},
        {"function": "shop.tasks.other"},
        {"arguments": b"[[2],{}]"},
        {"ordinal": 1},
    ],
)
def test_a_childs_id_differs_with_everything_that_makes_the_call(change):
    assert child_job_id("emails", **{**CALL, **change}) != child_job_id("emails", **CALL)


def test_a_tick_has_one_id_however_often_it_is_computed():
    job_id = tick_job_id("reports", "nightly", 1_700_000_000_000)

    assert job_id == tick_job_id("reports", "nightly", 1_700_000_000_000)
    assert job_id != tick_job_id("reports", "nightly", 1_700_000_060_000)
    assert job_id != tick_job_id("reports", "hourly", 1_700_000_000_000)
    assert (uuid.UUID(job_id).version, uuid.UUID(job_id).variant) == (8, uuid.RFC_4122)
    assert tag_of(job_id) == queue_tag("reports")
    assert created_ms(job_id) == 1_700_000_000_000
    assert job_id < tick_job_id("reports", "nightly", 1_700_000_060_000), "ids sort by their ticks"


@pytest.mark.parametrize(
    "text",
    ["", "job-1", "018bcfe5-687b-4001-8000-000000000000", "018BCFE5-687B-7001-8000-00000000000F", "a" * 36],
)
def test_other_texts_are_no_job_ids(text):
    assert not is_job_id(text)
    assert created_ms(text) is None
    with pytest.raises(ValueError, match="not a job id"):
        tag_of(text)
