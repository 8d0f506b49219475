"""The pages without a Redis that answers: each opens soon, and says what is missing and the way out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client, override_settings

from tests.admin.forms import harmful, sent
from tests.admin.operating.people import is_page, superuser
from tests.admin.rows import all_rows
from tests.admin.troubles import SECRET, TROUBLES, Trouble, full, silent, slow, stopped
from tests.broker.lab import Lab, new_job
from upnext_django.connection import get_broker

#: What a page takes while Redis is away: 2 s for Redis, the rest is ours, on a machine that others use too.
ALONE_S = 8.0
#: The same of one that shares a processor with fifteen others.
AMONG_OTHERS_S = 20.0
#: Their authority is the database: what is done to them is done without Redis too.
IN_THE_DATABASE = ("upnext_schedule_", "upnext_secret_", "upnext_apitoken_", "upnext_bulkaction_")


@pytest.fixture
def at_redis() -> Iterator[Any]:
    """Give a function that changes where Redis is for the rest of the test."""
    changed: list[override_settings] = []

    def at(url: str | None) -> None:
        changed.append(override_settings(UPNEXT={**settings.UPNEXT, "REDIS_URL": url}))
        changed[-1].enable()

    yield at
    for one in reversed(changed):
        one.disable()


def opened(path: str) -> tuple[float, Any]:
    """Return how long a page took, and the response."""
    try:
        client = superuser()
        began = time.monotonic()
        response = client.get(path)
        return time.monotonic() - began, response
    finally:
        connections.close_all()


def told(response: Any) -> str:
    """Return what a page tells of what was done: its messages, what is wrong with a form, what is away."""
    text = response.content.decode()
    parts = r'class="messagelist">.*?</ul>|class="errorlist.*?</ul>|data-upnext-away>.*?</div>'
    return " ".join(re.findall(parts, text, re.DOTALL))


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_every_page_opens_soon_and_says_so(known: dict[str, str], at_redis: Any, trouble: Trouble) -> None:
    superuser()
    with trouble() as (url, says):
        at_redis(url)
        # What waits keeps no processor; what does not would have to wait for one.
        with ThreadPoolExecutor(16 if trouble in (silent, slow) else 1) as threads:
            seen = dict(zip(known, threads.map(opened, known.values()), strict=True))

    pages = {name: one.content.decode() for name, (_, one) in seen.items() if is_page(one)}
    statuses = {name: one.status_code for name, (_, one) in seen.items()}
    assert {name: code for name, code in statuses.items() if code not in (200, 302, 403, 404, 405)} == {}
    assert {name for name, text in pages.items() if says not in text} == set()
    assert {name for name, text in pages.items() if SECRET in text} == set()
    assert {"upnext_overview_changelist", "upnext_jobrecord_change"} <= set(pages)
    assert {name: took for name, (took, _) in seen.items() if took > AMONG_OTHERS_S} == {}


def test_no_page_waits_for_each_answer_of_a_redis_that_gives_none(
    known: dict[str, str], at_redis: Any
) -> None:
    """Those that ask most: of thirty questions each waited its own 1.5 s."""
    asking = ("overview_changelist", "queue_detail", "functionrecord_change", "jobrecord_change")
    with silent() as (url, _):
        at_redis(url)
        took = {name: opened(known[f"upnext_{name}"])[0] for name in asking}

    assert {name: seconds for name, seconds in took.items() if seconds > ALONE_S} == {}


def test_what_the_history_has_is_shown_without_redis(known: dict[str, str], at_redis: Any) -> None:
    with stopped() as (url, _):
        at_redis(url)
        client = superuser()
        pages = {name: client.get(path).content.decode() for name, path in known.items()}

    assert "Live data is not available" in pages["upnext_overview_changelist"]
    assert "Recent jobs" in pages["upnext_overview_changelist"]
    assert "shop.tasks.send" in pages["upnext_jobrecord_change"]
    assert "ValueError" in pages["upnext_deadletterrecord_change"]
    assert "web1-1" in pages["upnext_workerrecord_changelist"]
    assert "Nothing waits" not in pages["upnext_queue_detail"]
    assert "No queue has ever been used" not in pages["upnext_queue_changelist"]


@pytest.mark.parametrize("trouble", [stopped, *TROUBLES[-2:]], ids=lambda trouble: trouble.__name__)
def test_no_action_changes_anything_and_each_says_why(
    known: dict[str, str], at_redis: Any, trouble: Trouble
) -> None:
    client = superuser()
    posts = [
        (name, path, data)
        for name, path in known.items()
        if not name.startswith(IN_THE_DATABASE)
        for data in harmful(path)
        if data.get("action") != "delete_rows"
    ]
    before = all_rows()
    with trouble() as (url, says):
        at_redis(url)
        answers = [(name, data.get("action"), sent(client, path, data)) for name, path, data in posts]

    assert all_rows() == before
    assert {name for name, _, one in answers if one.status_code >= 500} == set()
    said = {(name, action) for name, action, one in answers if says in told(one)}
    acting = ("pause", "resume", "cancel", "retry", "edit", "replay", "discard", "quiet", "stop", "run")
    asked = {
        (name, action)
        for name, action, one in answers
        if (name.endswith(acting) or action is not None) and one.status_code == 200
    }
    assert len(asked) > 15
    assert asked - said == set()


def test_a_schedule_is_changed_without_redis(known: dict[str, str], at_redis: Any) -> None:
    """Its authority is the database; workers hear of it when Redis is back."""
    client = superuser()
    with stopped() as (url, _):
        at_redis(url)
        chosen = {"action": "pause", "_selected_action": [known["upnext_schedule_change"].split("/")[-3]]}
        response = client.post(known["upnext_schedule_changelist"], chosen, follow=True)

    assert "1 paused" in told(response)


def test_a_full_redis_shows_all_and_takes_nothing_new(known: dict[str, str], things: Lab) -> None:
    url = settings.UPNEXT["REDIS_URL"]
    letter = known["upnext_deadletterrecord_replay"]
    client = superuser()
    with full(url):
        pages = [
            client.get(path) for name, path in known.items() if name.endswith(("_changelist", "_change"))
        ]
        answer = client.post(letter, follow=True)

    assert {one.status_code for one in pages} <= {200, 403}
    assert "no memory left" in told(answer)


def test_a_stopped_mirror_is_told_on_every_page(known: dict[str, str], things: Lab) -> None:
    get_broker().submit_sync([new_job()])
    client = superuser()

    pages = {name: client.get(path) for name, path in known.items()}

    texts = {name: one.content.decode() for name, one in pages.items() if is_page(one)}
    lag = re.compile(r"No mirror is running; \d+ events wait, the oldest for \d+ s\.")
    assert {name for name, text in texts.items() if not lag.search(text)} == set()
    assert all("upnext_mirror" in text for text in texts.values())


def test_a_mirror_that_keeps_up_is_no_news(known: dict[str, str], things: Lab) -> None:
    text = superuser().get(known["upnext_jobrecord_changelist"]).content.decode()

    assert "The history is behind" not in text
    assert "Live data is not available" not in text


def test_a_visitor_without_the_right_is_not_told_where_redis_is(known: dict[str, str], at_redis: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    with stopped() as (url, _):
        at_redis(url)
        answers = [client.get(path) for name, path in known.items() if name != "app_list"]

    assert {one.status_code for one in answers} <= {302, 403}
    assert not any("Redis" in one.content.decode() for one in answers)


def test_pages_come_back_with_redis(known: dict[str, str], at_redis: Any) -> None:
    client = superuser()
    path, url = known["upnext_queue_detail"], settings.UPNEXT["REDIS_URL"]
    with stopped() as (away, _):
        at_redis(away)
        assert "Live data is not available" in client.get(path).content.decode()

    at_redis(url)

    with redis.Redis.from_url(url) as server:
        assert server.ping()
    assert "Live data is not available" not in client.get(path).content.decode()
