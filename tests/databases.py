"""Databases with our tables, beside the tests' own: a test runs on SQLite and, by mark, on PostgreSQL.

Outside of Django's TestCase: services commit in threads of their own, and so do their readers here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from psycopg.conninfo import conninfo_to_dict
from pytest_django.plugin import DjangoDbBlocker

__all__ = ["delete_history", "history", "migrated", "postgres_history", "sqlite_history"]


def delete_history(alias: str) -> None:
    """Delete every row of our tables."""
    for model in apps.get_app_config("upnext").get_models():
        model._base_manager.using(alias).all().delete()


@contextmanager
def migrated(alias: str, settings: dict[str, Any]) -> Iterator[str]:
    """Give the ``alias`` of a database with our tables in it, for as long as the context lasts."""
    connections.databases[alias] = connections.configure_settings({"default": settings})["default"]
    try:
        call_command("migrate", "upnext", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@pytest.fixture(scope="session")
def sqlite_history(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    settings = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(tmp_path_factory.mktemp("history")) / "history.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
    }
    with django_db_blocker.unblock(), migrated("history_sqlite", settings) as alias:
        yield alias


@pytest.fixture(scope="session")
def postgres_history(postgres_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    parts = conninfo_to_dict(postgres_url)
    settings = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts["dbname"],
        "HOST": parts.get("host", ""),
        "PORT": parts.get("port", ""),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
    }
    with django_db_blocker.unblock(), migrated("history_postgres", settings) as alias:
        yield alias


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def history(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Give the alias of a database with our tables, all of them empty."""
    alias = request.getfixturevalue(f"{request.param}_history")
    with django_db_blocker.unblock():
        yield alias
        delete_history(alias)
