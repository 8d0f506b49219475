"""PostgreSQL for the tests marked ``postgres``: fresh databases on the server that the environment names."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

__all__ = ["VARIABLE", "fresh_database"]

VARIABLE = "UPNEXT_TEST_POSTGRES_URL"


@contextmanager
def fresh_database() -> Iterator[str]:
    """Create an empty database and give its URL; it is dropped afterwards, whoever is still connected."""
    server = os.environ.get(VARIABLE)
    if not server:
        raise RuntimeError(
            f"{VARIABLE} is not set; tests marked postgres need a PostgreSQL where databases may be made, "
            "like postgresql://user@127.0.0.1:5432/postgres. Deselect them with -m 'not postgres'."
        )
    name = f"upnext_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
