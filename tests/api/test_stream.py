"""events/stream: what happens to jobs, in order, without a gap, and only what the caller may see."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import AsyncClient, Client, override_settings

from tests.broker.lab import FUNCTION, Lab
from tests.waiting import await_until
from upnext_django.api.stream import MOST_OF_ONE
from upnext_django.connection import get_broker
from upnext_django.core.job import Envelope
from upnext_django.core.lifecycle import JobStatus
from upnext_django.mirror.service import MirrorService
from upnext_django.models import JobRecord
from upnext_django.operations.happenings.following import follow
from upnext_django.operations.happenings.happening import position_of
from upnext_django.operations.happenings.wanted import Wanted

URL = "/api/v1/events/stream"
PATIENCE_S = 20.0

Told = dict[str, Any]
Open = Callable[..., Awaitable["Stream"]]


class Stream:
    """An open stream, read event by event."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.last_id = ""
        self._chunks: Any = aiter(response) if response.streaming else None
        self._text = ""

    async def begun(self) -> Stream:
        """Wait until it has said where it begins."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.last_id:
                await self._block()
        return self

    async def event(self) -> tuple[str, Told]:
        """Return the name and the data of the next event."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                fields = await self._block()
                if "data" in fields:
                    return fields["event"], json.loads(fields["data"])

    async def events(self, count: int) -> list[Told]:
        return [(await self.event())[1] for _ in range(count)]

    async def close(self) -> None:
        """Go away, as a client that hangs up."""
        waiting = asyncio.create_task(self._block())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def _block(self) -> dict[str, str]:
        while "\n\n" not in self._text:
            self._text += (await anext(self._chunks)).decode()
        block, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        self.last_id = fields.get("id", self.last_id)
        return fields


@pytest.fixture
def lab(things: Lab) -> Lab:
    return things


@pytest.fixture
def token(person: Callable[..., User], token_of: Callable[..., str], lab: Lab) -> str:
    return token_of(person("view_jobrecord"), "read")


@pytest.fixture
async def opened(token: str) -> AsyncIterator[Open]:
    """Give what opens a stream; they are closed at the end."""
    streams: list[Stream] = []

    async def open_one(last: str | None = None, **query: Any) -> Stream:
        headers = {"authorization": f"Bearer {token}", **({} if last is None else {"last-event-id": last})}
        streams.append(Stream(await AsyncClient().get(URL, query, headers=headers)))
        return streams[-1]

    yield open_one
    for stream in streams:
        if stream.response.streaming:
            await stream.close()


async def mirror() -> None:
    """Have a mirror write what there is, and tell it."""

    def write() -> None:
        service = MirrorService(get_broker())
        service.start()
        try:
            assert service.drain(20)
        finally:
            service.stop()
            assert service.join(10)

    await asyncio.to_thread(write)


def envelope(**fields: Any) -> bytes:
    return msgspec.json.encode(Envelope(function=FUNCTION, **fields))


async def a_life(lab: Lab, **fields: Any) -> str:
    """Let a job run to its end and the mirror tell of it."""
    claimed = lab.claim_one(envelope=envelope(**fields))
    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE)
    await mirror()
    return claimed.id


@pytest.fixture(autouse=True)
def _nothing_waits(lab: Lab) -> None:
    for claimed in lab.claim().jobs:
        lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE)


async def test_the_life_of_a_job_is_told_in_order(lab: Lab, opened: Open):
    await mirror()
    stream = await (await opened()).begun()
    job_id = await a_life(lab, root_id="0197")

    events = await stream.events(3)

    assert [(one["event"], one["status"]) for one in events] == [
        ("submitted", "queued"),
        ("claimed", "active"),
        ("settled", "complete"),
    ]
    assert {one["job_id"] for one in events} == {job_id}
    assert {one["function"] for one in events} == {FUNCTION}
    assert {one["root_id"] for one in events} == {"0197"}
    assert [one["seq"] for one in events] == [1, 2, 3]
    assert events[1]["attempt"] == 1
    assert events[0]["at"].endswith("Z")


async def test_arguments_and_results_are_not_told(lab: Lab, opened: Open):
    stream = await (await opened(function=[FUNCTION], event=["submitted"])).begun()
    await a_life(lab, args=msgspec.Raw(b'[["a secret of the test"],{}]'))

    (told,) = await stream.events(1)

    assert "secret" not in json.dumps(told)


async def test_who_comes_back_goes_on_after_the_event_that_was_the_last(lab: Lab, opened: Open):
    first = await (await opened()).begun()
    await mirror()
    one = await a_life(lab)
    while (await first.event())[1]["job_id"] != one:
        pass
    last = first.last_id
    await first.close()
    other = await a_life(lab)

    again = await opened(last=last)

    told = [(one["job_id"], one["event"]) for one in await again.events(5)]
    assert told == [
        (one, "claimed"),
        (one, "settled"),
        (other, "submitted"),
        (other, "claimed"),
        (other, "settled"),
    ]


async def test_what_came_between_the_start_and_a_cut_is_not_lost(lab: Lab, opened: Open):
    await mirror()
    first = await (await opened()).begun()
    await first.close()
    job_id = await a_life(lab)

    again = await opened(last=first.last_id)

    assert [one["job_id"] for one in await again.events(3)] == [job_id] * 3


async def test_filters_leave_out_the_others(lab: Lab, opened: Open):
    await mirror()
    one = await a_life(lab, root_id="0197")
    other = await a_life(lab)

    def wanted(**query: Any) -> Awaitable[Stream]:
        return opened(after="0-0", **query)

    assert [e["event"] for e in await (await wanted(job_id=[other])).events(3)] == [
        "submitted",
        "claimed",
        "settled",
    ]
    tree = await (await wanted(root_id=["0197"])).events(3)
    assert {e["job_id"] for e in tree} == {one}
    ends = await (await wanted(job_id=[one, other], event=["settled"])).events(2)
    assert [e["job_id"] for e in ends] == [one, other]
    both = await (await wanted(function=[FUNCTION], root_id=["0197"], event=["claimed"])).events(1)
    assert [(e["job_id"], e["event"]) for e in both] == [(one, "claimed")]
    moves = await (await wanted(event=["settled"])).events(4)
    assert [e["job_id"] for e in moves][-2:] == [one, other]


async def test_the_function_of_a_job_that_began_before_anybody_listened_is_known(lab: Lab, opened: Open):
    job_id = lab.submit_one(envelope=envelope(root_id="0197"))
    await mirror()
    stream = await (await opened(function=[FUNCTION], job_id=[job_id])).begun()

    (claimed,) = lab.claim().jobs
    lab.settle(job_id, claimed.token, JobStatus.COMPLETE)
    await mirror()

    assert [one["root_id"] for one in await stream.events(2)] == ["0197", "0197"]


async def test_who_asks_for_what_is_no_longer_kept_is_told_so(lab: Lab, opened: Open):
    await a_life(lab)
    first = await (await opened()).begun()
    await first.close()
    await a_life(lab)
    lab.run(b"XTRIM", get_broker().names.feed, b"MAXLEN", 1)

    again = await opened(last=first.last_id)

    assert (await again.event())[0] == "missed"
    assert (await again.event())[0] == "settled"


async def test_silence_is_told_with_where_the_client_is(lab: Lab):
    async with aclosing(follow(Wanted(), last=None, silence_s=0.05)) as lines:
        assert await anext(lines) == b"retry: 3000\n\n"
        # Where it is has to be read first, which may take longer than the silence.
        while not (place := await anext(lines)).startswith(b"id: "):
            assert place == b": still here\n\n"
        told = await anext(lines)

    assert told == b": still here\n" + place


async def test_a_stream_ends_by_itself(lab: Lab):
    lines = [line async for line in follow(Wanted(), last=None, lasts_s=0.3)]

    assert lines[0] == b"retry: 3000\n\n"


async def test_while_redis_is_away_a_stream_stays_open():
    with override_settings(UPNEXT={"REDIS_URL": "redis://127.0.0.1:1"}):
        async with aclosing(follow(Wanted(), last=position_of("5-0"), silence_s=0.05)) as lines:
            assert [await anext(lines) for _ in range(2)][1] == b": still here\nid: 5-0\n\n"


async def test_all_streams_of_a_process_share_one_reader(opened: Open):
    for _ in range(3):
        await (await opened()).begun()

    assert readers() == ["upnext-stream"]


async def test_nobody_reads_when_nobody_follows(opened: Open):
    stream = await (await opened()).begun()

    await stream.close()

    await await_until(lambda: not readers(), "nobody reads any more")


def readers() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "upnext-stream"]


async def test_one_caller_has_so_many_streams_and_no_more(opened: Open):
    streams = [await (await opened()).begun() for _ in range(MOST_OF_ONE)]

    refused = (await opened()).response
    await streams[0].close()
    again = await opened()

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert again.response.status_code == 200


async def test_a_stream_that_is_never_read_gives_its_place_back(opened: Open, token: str):
    headers = {"authorization": f"Bearer {token}"}
    for _ in range(MOST_OF_ONE):
        assert (await AsyncClient().get(URL, headers=headers)).status_code == 200

    gc.collect()  # an answer that nobody reads may wait for it in a cycle
    assert (await AsyncClient().get(URL, headers=headers)).status_code == 200


def of_the_mail_queue_alone(request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(function="seen") if rows.model is JobRecord else rows


async def test_what_a_caller_may_not_see_is_not_told(lab: Lab, opened: Open):
    await mirror()
    hidden = await a_life(lab)
    claimed = lab.claim_one(envelope=msgspec.json.encode(Envelope(function="seen")))
    lab.settle(claimed.id, claimed.token, JobStatus.COMPLETE)
    await mirror()
    own = {"REDIS_URL": get_broker().url, "NAMESPACE": get_broker().environment.namespace}

    with override_settings(UPNEXT={**own, "ADMIN_QUERYSET": of_the_mail_queue_alone}):
        stream = await opened(after="0-0")
        told = await stream.events(3)

    assert {one["job_id"] for one in told} == {claimed.id} != {hidden}


def test_under_wsgi_it_says_what_to_do(token: str):
    answer = Client().get(URL, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 501
    assert answer["Content-Type"] == "application/problem+json"
    assert "serve the site by ASGI" in answer.json()["detail"]


async def test_without_a_history_there_is_nothing_to_stream(opened: Open):
    own = {"REDIS_URL": get_broker().url, "NAMESPACE": get_broker().environment.namespace}
    with override_settings(UPNEXT={**own, "HISTORY": False}):
        answer = (await opened()).response

    assert answer.status_code == 501
    assert "HISTORY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "last", "field"),
    [
        ({"after": "yesterday"}, None, "query.after"),
        ({}, "1-2-3-4", "header.Last-Event-ID"),
        ({"event": "exploded"}, None, "query.event"),
        ({"job": "019a"}, None, "query.job"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    opened: Open, query: dict[str, str], last: str | None, field: str
):
    answer = (await opened(last=last, **query)).response

    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]


async def test_nobody_follows_without_a_token(lab: Lab):
    assert (await AsyncClient().get(URL)).status_code == 401


async def test_nothing_may_hold_a_stream_back(opened: Open):
    response = (await opened()).response

    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-cache"
    assert response["X-Accel-Buffering"] == "no"
    assert response["Content-Encoding"] == "identity"


async def test_the_session_of_a_browser_will_do(lab: Lab, person: Callable[..., User]):
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(person)("view_jobrecord"))

    stream = Stream(await client.get(URL))
    await stream.begun()
    await stream.close()

    assert stream.last_id
