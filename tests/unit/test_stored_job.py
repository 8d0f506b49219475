"""What waits in a database keeps its times: they count from the submit, whenever it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from upnext_django.core.ids import new_job_id
from upnext_django.core.job import NewJob
from upnext_django.core.stored_job import StoredJob, Unreadable, decode_stored, encode_stored

SUBMITTED_MS = 1_700_000_000_000
ENVELOPE = b'{"v":1,"fn":"shop.tasks.send","args":[["\xc3\xa4\\u0000"],{}],"later":"unknown"}'


def a_job(**fields: Any) -> NewJob:
    return NewJob(
        id=new_job_id("mail"), queue="mail", function="shop.tasks.send", envelope=ENVELOPE, **fields
    )


def stored(**fields: Any) -> StoredJob:
    return encode_stored(a_job(**fields), submitted_ms=SUBMITTED_MS)[0]


def test_a_job_comes_back_as_it_was_byte_for_byte():
    job = a_job(
        lane=2,
        digest="abc",
        cache="def",
        shown=b'{"fn":"shop.tasks.send","args":[["***"],{}]}',
        at_ms=SUBMITTED_MS + 5,
        expires_ms=9,
        key="k",
        parent_id=new_job_id("mail"),
        reply="c1",
    )

    _, item = encode_stored(job, submitted_ms=SUBMITTED_MS)

    assert decode_stored(item).at(SUBMITTED_MS) == job


def test_every_field_of_a_job_is_stored():
    """The digest of the cache key was not: a job that came by the outbox read and wrote no cache."""
    assert set(NewJob.__struct_fields__) <= set(StoredJob.__struct_fields__)


@pytest.mark.parametrize(("passed_ms", "left_ms"), [(0, 5_000), (2_000, 3_000), (9_000, 0), (-400, 5_000)])
def test_a_delay_is_shorter_by_what_has_passed(passed_ms: int, left_ms: int):
    assert stored(delay_ms=5_000).at(SUBMITTED_MS + passed_ms).delay_ms == left_ms


def test_a_time_stays_as_it_is():
    assert stored(at_ms=SUBMITTED_MS + 1).at(SUBMITTED_MS + 60_000).at_ms == SUBMITTED_MS + 1


@pytest.mark.parametrize(
    ("times", "passed_ms", "left_ms"),
    [
        ({}, 0, 5_000),
        ({}, 2_000, 3_000),
        ({}, 60_000, -55_000),
        ({"delay_ms": 10_000}, 2_000, 5_000),
        ({"delay_ms": 10_000}, 12_000, 3_000),
        ({"at_ms": SUBMITTED_MS + 10_000}, 12_000, 3_000),
        ({"at_ms": SUBMITTED_MS - 10_000}, 2_000, 3_000),
    ],
    ids=str,
)
def test_an_expiry_runs_from_the_moment_the_job_may_run(times: dict[str, int], passed_ms: int, left_ms: int):
    assert stored(**times, expires_ms=5_000).at(SUBMITTED_MS + passed_ms).expires_ms == left_ms


@pytest.mark.parametrize(
    "item", [b"", b"null", b'{"v":1}', b"\xff\xfe", b'{"v":1,"submitted_ms":"soon"}'], ids=repr
)
def test_anything_else_is_refused(item: bytes):
    with pytest.raises(Unreadable):
        decode_stored(item)
