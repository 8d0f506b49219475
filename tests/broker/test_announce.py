"""announce.lua: say which handlers of an event a worker knows; and how senders read it."""

from __future__ import annotations

from tests.broker.lab import Lab
from upnext_django.broker.broker import Broker
from upnext_django.broker.scripts import announce

EVENT = "order.placed"
DAY_MS = 86_400_000


def say(lab: Lab, broker: Broker, handlers: dict[str, bytes], **options: int) -> int:
    return lab.link.call(announce.call(broker.names, EVENT, handlers, **options))


def test_senders_read_what_workers_announced(lab: Lab, broker: Broker):
    say(lab, broker, {"a.one": b'{"x": 1}'})
    say(lab, broker, {"b.two": b"{}", "a.one": b'{"x": 2}'})

    assert broker.handlers.of_sync(EVENT) == {"a.one": b'{"x": 2}', "b.two": b"{}"}


async def test_async_senders_read_the_same(lab: Lab, broker: Broker):
    say(lab, broker, {"a.one": b"{}"})

    assert await broker.handlers.of(EVENT) == {"a.one": b"{}"}


def test_an_event_without_handlers_is_asked_again_at_once(lab: Lab, broker: Broker):
    assert broker.handlers.of_sync(EVENT) == {}

    say(lab, broker, {"a.one": b"{}"})

    assert broker.handlers.of_sync(EVENT) == {"a.one": b"{}"}


def test_known_handlers_are_not_asked_for_at_every_send(lab: Lab, broker: Broker):
    say(lab, broker, {"a.one": b"{}"})
    broker.handlers.of_sync(EVENT)

    lab.run(b"DEL", broker.names.handlers(EVENT))

    assert broker.handlers.of_sync(EVENT) == {"a.one": b"{}"}


def test_what_no_worker_announced_for_30_days_is_forgotten(lab: Lab, broker: Broker):
    key = broker.names.handlers(EVENT)
    say(lab, broker, {"a.lately": b"{}", "a.long": b"{}"})
    now = int(lab.run(b"HGET", key, b"a.long").split()[0])
    lab.run(b"HSET", key, b"a.lately", b"%d {}" % (now - 29 * DAY_MS))
    lab.run(b"HSET", key, b"a.long", b"%d {}" % (now - 31 * DAY_MS))

    assert say(lab, broker, {"a.one": b"{}"}) == 1

    assert set(broker.handlers.of_sync(EVENT)) == {"a.lately", "a.one"}


def test_an_event_that_nobody_announces_goes_with_its_last_handler(lab: Lab, broker: Broker):
    say(lab, broker, {"a.one": b"{}"})

    left_ms = lab.run(b"PTTL", broker.names.handlers(EVENT))

    assert 29 * DAY_MS < left_ms <= 30 * DAY_MS
