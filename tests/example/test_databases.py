"""DATABASES entries from one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from example_project.databases import from_url


@pytest.mark.parametrize(
    ("url", "name"),
    [("a/b.sqlite3", "a/b.sqlite3"), ("sqlite:///b.sqlite3", "b.sqlite3"), ("sqlite:////a/b c", "/a/b c")],
)
def test_a_path_is_sqlite_ready_for_several_writers(url: str, name: str):
    entry = from_url(url)

    assert Path(entry["NAME"]) == Path(name)
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in entry["OPTIONS"]["init_command"]


def test_a_postgres_url_is_taken_apart_and_unquoted():
    entry = from_url("postgres://shop:p%40ss@db.example:5433/orders?sslmode=require")

    assert entry == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "orders",
        "USER": "shop",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'mysql'.*sqlite:///path and postgres://"):
        from_url("mysql://db.example/orders")


def test_a_server_without_a_database_name_is_refused():
    with pytest.raises(ValueError, match="end it with /name"):
        from_url("postgres://db.example")
