"""The pages without the database of the history, where users and sessions are in another one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from tests.admin.operating.people import is_page, superuser
from tests.admin.rows import a_job, job_id
from tests.broker.lab import QUEUE, Lab
from tests.databases import migrated
from upnext_django.admin.bounds import DATABASE_S
from upnext_django.models import JobRecord

ALIAS = "apart"
#: They show what is in Redis, or nothing of the history.
WITHOUT_ROWS = {"upnext_overview_changelist", "upnext_queue_changelist", "upnext_queue_detail", "app_list"}

#: Gives what pages say of it, for as long as the history is there.
Trouble = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def history_in(alias: str) -> Iterator[None]:
    with override_settings(UPNEXT={**settings.UPNEXT, "DATABASE": alias}):
        yield


@contextmanager
def sqlite_at(path: Path) -> Iterator[None]:
    """Have a database of that file, with nothing in it; who finds it locked does not wait."""
    options = {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {"timeout": 0}}
    connections.databases[ALIAS] = connections.configure_settings({"default": options})["default"]
    try:
        with history_in(ALIAS):
            yield
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]


@contextmanager
def unopened(folder: Path) -> Iterator[str]:
    """A file in a folder that is not there."""
    with sqlite_at(folder / "gone" / "history.sqlite3"):
        yield "unable to open database file"


@contextmanager
def not_migrated(folder: Path) -> Iterator[str]:
    """A database without our tables."""
    with sqlite_at(folder / "empty.sqlite3"):
        yield f"python manage.py migrate upnext --database {ALIAS}"


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """A database that somebody else has for himself."""
    path = folder / "locked.sqlite3"
    with migrated(ALIAS, {"ENGINE": "django.db.backends.sqlite3", "NAME": path}):
        pass
    with sqlite_at(path), closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield "database is locked"


@contextmanager
def unknown(folder: Path) -> Iterator[str]:
    """An alias that DATABASES does not have."""
    with history_in("nowhere"):
        yield "nowhere"


@pytest.mark.parametrize(
    "trouble", [unopened, not_migrated, locked, unknown], ids=lambda trouble: trouble.__name__
)
def test_every_page_opens_and_says_so(known: dict[str, str], tmp_path: Path, trouble: Trouble) -> None:
    client = superuser()
    with trouble(tmp_path) as says:
        seen = {name: client.get(path) for name, path in known.items()}

    pages = {name: one.content.decode() for name, one in seen.items() if is_page(one)}
    assert {name: one.status_code for name, one in seen.items() if one.status_code >= 500} == {}
    silent = {name for name, text in pages.items() if says not in text}
    # The outbox is in the databases that the routers name.
    elsewhere = {name for name in silent if name.endswith("_add") or name.startswith("upnext_outboxentry_")}
    assert silent - WITHOUT_ROWS - elsewhere == set()
    assert {"upnext_jobrecord_changelist", "upnext_overview_changelist"} <= set(pages) - silent


def test_what_redis_has_is_shown_without_the_history(known: dict[str, str], tmp_path: Path) -> None:
    client = superuser()
    with unopened(tmp_path):
        overview = client.get(known["upnext_overview_changelist"]).content.decode()
        queue = client.get(known["upnext_queue_detail"]).content.decode()

    assert "The history is not available; what Redis has is shown." in overview
    assert QUEUE in overview
    assert "shop.tasks.send" in queue


def test_an_error_of_ours_is_not_taken_for_a_database_that_is_away(
    known: dict[str, str], things: Lab
) -> None:
    """A page that hides a wrong query behind "see that it runs" would never be mended."""
    client = superuser()
    client.raise_request_exception = False
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER TABLE upnext_jobrecord RENAME COLUMN error_type TO kind_of_error")
    try:
        response = client.get(known["upnext_jobrecord_change"])
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("ALTER TABLE upnext_jobrecord RENAME COLUMN kind_of_error TO error_type")

    assert response.status_code == 500


def test_pages_read_the_database_of_the_settings(known: dict[str, str], sqlite_history: str) -> None:
    """Without a router they read "default", which the mirror does not write to."""
    client = superuser()
    with history_in(sqlite_history):
        a_job(77, function_name="only_there")
        listed = client.get(known["upnext_jobrecord_changelist"]).content.decode()
        page = client.get(f"/admin/upnext/jobrecord/{job_id(77)}/change/").content.decode()
        JobRecord.objects.all().delete()

    assert JobRecord.objects.count() == 2
    assert "only_there" in listed
    assert job_id(77) in page


@pytest.mark.postgres
def test_a_page_does_not_wait_for_a_lock_for_ever(
    known: dict[str, str], postgres_history: str, postgres_url: str
) -> None:
    """A migration at night held the table, and pages until the web server killed their processes."""

    def opened(name: str) -> tuple[float, Any]:
        try:
            client = superuser()
            began = time.monotonic()
            response = client.get(known[name])
            return time.monotonic() - began, response
        finally:
            connections.close_all()

    names = ("upnext_jobrecord_changelist", "upnext_overview_changelist", "upnext_queue_detail")
    with history_in(postgres_history), psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE upnext_jobrecord, upnext_statrecord IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(len(names)) as threads:
            seen = dict(zip(names, threads.map(opened, names), strict=True))

    texts = {name: one.content.decode() for name, (_, one) in seen.items()}
    slow = f"longer than the {DATABASE_S:g} s that a page waits"
    assert slow in texts["upnext_jobrecord_changelist"]
    assert slow in texts["upnext_overview_changelist"]
    assert QUEUE in texts["upnext_overview_changelist"]
    assert "shop.tasks.send" in texts["upnext_queue_detail"]
    assert max(took for took, _ in seen.values()) < 2 * DATABASE_S
