"""One send makes a job for each handler, here or elsewhere, or none at all."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import msgspec
import pytest

import upnext_django as upnext
from tests.unit.declare.fakes import FakeBroker, FakeRunningJob, FakeSender, inside
from upnext_django.core.definition import TaskDefinition
from upnext_django.core.job import NewJob

EVENT = "order.placed"


def by_function(broker: FakeBroker) -> dict[str, Any]:
    """Return the last part of each job's identity -> its arguments."""
    return {
        job.function.rpartition(".")[2]: msgspec.json.decode(broker.envelope(job.id).args)[1]
        for job in broker.jobs
    }


def announce(broker: FakeBroker, func: Any, **options: Any) -> TaskDefinition:
    """Have workers elsewhere know ``func`` as a handler."""
    definition = TaskDefinition.build(func, kind="event", queue="elsewhere", **options)
    raw = msgspec.json.encode(definition.as_json())
    broker.handlers.announced.setdefault(EVENT, {})[definition.function] = raw
    return definition


def remote(order_id: int, note: str = "") -> None: ...


def declare_two() -> upnext.Event:
    placed = upnext.Worker("shop").event(EVENT)

    @placed.on
    async def confirm(order_id: int) -> None: ...

    @placed.on(retries=2, queue="books")
    def book(order_id: int, **rest: Any) -> None: ...

    return placed


async def test_every_handler_gets_a_job_of_its_own(broker: FakeBroker):
    futures = await declare_two().send(order_id=1, note="x")

    assert by_function(broker) == {"confirm": {"order_id": 1}, "book": {"order_id": 1, "note": "x"}}
    assert [future.job_id for future in futures] == [job.id for job in broker.jobs]
    assert [job.queue for job in broker.jobs] == ["shop", "books"]
    envelopes = [broker.envelope(job.id) for job in broker.jobs]
    assert [(e.kind, e.max_attempts) for e in envelopes] == [("event", 1), ("event", 3)]


async def test_a_handler_that_only_workers_know_gets_one_too(broker: FakeBroker):
    placed = declare_two()
    elsewhere = announce(broker, remote, retries=4)

    futures = await placed.send(order_id=1)

    assert set(by_function(broker)) == {"confirm", "book", "remote"}
    job = broker.jobs[-1]
    assert (job.function, job.queue) == (elsewhere.function, "elsewhere")
    assert broker.envelope(job.id).max_attempts == 5
    broker.complete(job.id, [1])
    assert await futures[-1].value() == [1]


async def test_one_that_is_announced_and_declared_here_gets_one_job(broker: FakeBroker):
    placed = upnext.event(EVENT)
    placed.on(remote)
    announce(broker, remote)

    assert len(await placed.send(order_id=1)) == 1


@pytest.mark.parametrize("renamed_here", [True, False])
async def test_a_renamed_handler_gets_each_event_once(broker: FakeBroker, renamed_here: bool):
    def before(order_id: int) -> None: ...

    def after(order_id: int) -> None: ...

    placed = upnext.event(EVENT)
    old = f"{before.__module__}.{before.__qualname__}"
    if renamed_here:
        placed.on(aliases=(old,))(after)
        announce(broker, before)
    else:
        placed.on(before)
        announce(broker, after, aliases=(old,))

    await placed.send(order_id=1)

    assert set(by_function(broker)) == {"after"}


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_missing_argument_sends_nothing_to_anybody(broker: FakeBroker, where: str):
    placed = upnext.event(EVENT)
    placed.on(lambda_free)
    if where == "here":
        placed.on(remote)
    else:
        announce(broker, remote)

    with pytest.raises(TypeError, match=r"test_events\.remote\(\) missing a required argument: 'order_id'"):
        await placed.send(note="x")

    assert broker.jobs == []


def lambda_free(**data: Any) -> None: ...


def test_without_handlers_the_list_is_empty_and_the_log_says_so(
    broker: FakeBroker, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.DEBUG, "upnext.events"):
        assert upnext.event("nobody.listens").send_sync(a=1) == []

    assert "nobody.listens" in caplog.text
    assert not broker.calls


def test_sync_sends_wait_for_the_commit(broker: FakeBroker, sender: FakeSender):
    futures = declare_two().send_sync(order_id=1)

    assert broker.jobs == []
    sender.commit()
    assert [job.id for job in broker.jobs] == [future.job_id for future in futures]
    assert broker.sizes == [2]


def test_on_commit_false_sends_at_once(broker: FakeBroker, sender: FakeSender):
    declare_two().options(on_commit=False).send_sync(order_id=1)

    assert len(broker.jobs) == 2


async def test_a_key_holds_for_each_handler(broker: FakeBroker):
    placed = declare_two()

    first = await placed.send_idempotent("k", order_id=1)
    second = placed.send_idempotent_sync("k", order_id=2)

    assert len(broker.jobs) == 2
    for winner, loser in zip(first, second, strict=True):
        assert await loser.status() == "queued"
        assert loser.duplicate_of == winner.job_id


async def test_a_send_from_a_job_makes_its_children(broker: FakeBroker):
    placed = declare_two()

    with inside(FakeRunningJob(job_id="p", root_id="r")):
        await placed.send(order_id=1)

    assert [job.parent_id for job in broker.jobs] == ["p", "p"]
    assert {broker.envelope(job.id).root_id for job in broker.jobs} == {"r"}


async def test_options_hold_for_all_jobs_of_a_send(broker: FakeBroker):
    await declare_two().options(delay=5, meta={"a": 1}).send(order_id=1)

    assert [job.delay_ms for job in broker.jobs] == [5000, 5000]


@pytest.mark.parametrize("option", [{"queue": "reports"}, {"wait_timeout": 1}])
def test_options_that_make_no_sense_for_a_send_are_refused(option: Any):
    with pytest.raises(TypeError, match=next(iter(option))):
        upnext.event(EVENT).options(**option)


async def test_data_may_be_called_self_and_key(broker: FakeBroker):
    placed = upnext.event(EVENT)
    placed.on(lambda_free)

    await placed.send(self=1, key=2)

    assert by_function(broker) == {"lambda_free": {"self": 1, "key": 2}}


async def test_a_handlers_own_send_goes_to_all_handlers(broker: FakeBroker):
    placed = declare_two()
    handler: Any = placed.on(remote)

    await handler.send(1, note="x")

    assert by_function(broker)["confirm"] == {"order_id": 1}
    assert by_function(broker)["remote"] == {"order_id": 1, "note": "x"}
    with pytest.raises(TypeError, match="remote"):
        handler.send_sync()
    assert isinstance(handler, upnext.EventHandler)
    assert pickle.loads(pickle.dumps(handler)) is handler


def test_a_handlers_submit_makes_a_job_of_it_alone(broker: FakeBroker):
    placed = declare_two()

    placed.on(remote).submit(1)

    assert set(by_function(broker)) == {"remote"}


def test_one_handler_may_handle_two_events(broker: FakeBroker):
    placed, changed = upnext.event(EVENT), upnext.event("order.changed")

    handler = changed.on(placed.on(remote))

    assert handler.event is placed
    assert len(placed.send_sync(order_id=1)) == len(changed.send_sync(order_id=1)) == 1


async def test_an_error_tells_which_queues_may_have_their_jobs(broker: FakeBroker):
    placed = declare_two()
    broker.failure = upnext.RedisUnavailable("gone", url="redis://fake")

    with pytest.raises(upnext.RedisUnavailable) as caught:
        await placed.send(order_id=1)

    assert "shop, books" in caught.value.__notes__[0]


def slashed(order_id: int, /) -> None: ...


def starred(*order_ids: int) -> None: ...


@pytest.mark.parametrize("func", [slashed, starred])
def test_a_parameter_that_no_name_reaches_is_refused(func: Any):
    with pytest.raises(upnext.DefinitionError, match="order_id"):
        upnext.event(EVENT).on(func)


def test_a_task_is_no_handler():
    task = upnext.task(remote)

    with pytest.raises(upnext.DefinitionError, match="is a task already"):
        upnext.event(EVENT).on(task)


def test_a_handler_cannot_be_declared_twice_with_other_options():
    handler: Any = upnext.event(EVENT).on(remote)

    with pytest.raises(upnext.DefinitionError, match="options"):
        upnext.event("order.changed").on(retries=1)(handler)


@pytest.mark.parametrize("name", ["", "order placed", "a:b", "x" * 65])
def test_an_event_name_follows_the_rule_of_queues(name: str):
    with pytest.raises(upnext.DefinitionError, match="cannot name an event"):
        upnext.event(name)


def test_two_events_of_one_name_are_the_same(broker: FakeBroker):
    upnext.Worker("a").event(EVENT).on(remote)

    futures = upnext.Worker("b").event(EVENT).send_sync(order_id=1)

    job: NewJob = broker.jobs[0]
    assert (len(futures), job.queue) == (1, "a")
