"""A row that can never be sent holds up no other: it is set aside, with the reason, until somebody looks."""

from __future__ import annotations

import pytest

import upnext_django as upnext
from tests.relay.outbox import Outbox, new_job
from upnext_django.core.ids import new_job_id
from upnext_django.core.stored_job import encode_stored
from upnext_django.exceptions import RedisUnavailable
from upnext_django.operations import outbox as operations


def spoiled(outbox: Outbox, item: bytes) -> str:
    """Put a row and spoil its item."""
    (job_id,) = outbox.put_many(1)
    outbox.rows().filter(job_id=job_id).update(item=item)
    return job_id


def reason(outbox: Outbox, job_id: str) -> str:
    entry = outbox.rows().get(job_id=job_id)
    assert entry.set_aside_at is not None
    return str(entry.error)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (b"\x80\x04 no JSON", "not the JSON of a job"),
        (b"{}", "missing required field"),
        (encode_stored(new_job(), submitted_ms=1)[1].replace(b'"v":1', b'"v":2'), "version is 2"),
        (encode_stored(new_job(), submitted_ms=1)[1].replace(b'"fn"', b'"nf"'), "missing required field"),
        (encode_stored(new_job(function="a:b"), submitted_ms=1)[1], "cannot identify a function"),
        (encode_stored(new_job(), submitted_ms=1)[1], "and its row says"),
        (encode_stored(new_job(lane=7), submitted_ms=1)[1], "lane 7"),
    ],
    ids=["bytes", "empty", "version", "envelope", "function", "id", "lane"],
)
def test_what_is_no_job(outbox: Outbox, item: bytes, said: str):
    (before,) = outbox.put_many(1)
    bad = spoiled(outbox, item)
    (after,) = outbox.put_many(1)

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [before, after]
    assert outbox.left() == [bad]
    assert said in reason(outbox, bad)


def test_it_is_seen_and_can_be_tried_again(outbox: Outbox):
    job = new_job()
    outbox.put(job)
    outbox.rows().filter(job_id=job.id).update(item=b"?")
    relay = outbox.relay()
    relay.move(lambda: True, at_once=True)

    (depth,) = operations.depths()
    assert (depth.database, depth.waiting, depth.set_aside) == (outbox.using, 0, 1)
    assert [entry.job_id for entry in operations.set_aside()] == [job.id]
    seen = upnext.get_job(job.id)
    assert (seen.status, seen.task_name) == ("queued", job.function)
    assert "not the JSON of a job" in str(seen.error)

    outbox.rows().filter(job_id=job.id).update(item=encode_stored(job, submitted_ms=1)[1])
    assert operations.retry([new_job_id("mail")]) == 0
    assert operations.retry([job.id]) == 1
    relay.move(lambda: True, at_once=True)

    assert outbox.arrived() == [job.id]
    assert outbox.left() == []


def test_a_relay_that_begins_tries_again_what_an_older_one_set_aside(outbox: Outbox):
    job = new_job()
    outbox.put(job)
    outbox.rows().filter(job_id=job.id).update(item=b"?")
    outbox.relay().move(lambda: True, at_once=True)
    outbox.rows().filter(job_id=job.id).update(item=encode_stored(job, submitted_ms=1)[1])

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [job.id]


def test_a_job_that_redis_refuses_while_it_takes_others(outbox: Outbox):
    outbox.run(b"SET", f"{outbox.broker.keys('mail').prefix}keys:shop.tasks.send", b"not a hash")
    before, bad, after = outbox.put(new_job(), new_job(key="k"), new_job())

    outbox.relay().move(lambda: True, at_once=True)

    assert outbox.arrived() == [before, after]
    assert "WRONGTYPE" in reason(outbox, bad)
    outbox.run(b"DEL", f"{outbox.broker.keys('mail').prefix}keys:shop.tasks.send")


def test_where_redis_refuses_all_nothing_is_set_aside(outbox: Outbox):
    events = outbox.broker.keys("mail").events
    outbox.run(b"SET", events, b"not a stream")
    ids = outbox.put_many(3)
    relay = outbox.relay()

    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        relay.move(lambda: True, at_once=True)

    assert outbox.left() == ids
    outbox.run(b"DEL", events)
    relay.move(lambda: True, at_once=True)
    assert outbox.arrived() == ids
