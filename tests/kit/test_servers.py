"""The servers that marked tests ask for are the ones they need."""

from __future__ import annotations

import psycopg
import pytest
import redis

from tests.postgres import fresh_database


@pytest.mark.redis7
def test_redis7_is_the_oldest_server_that_is_promised_to_do(redis7_url: str):
    with redis.Redis.from_url(redis7_url) as client:
        assert client.info("server")["redis_version"].startswith("7.0.")


@pytest.mark.postgres
def test_a_postgres_database_is_empty():
    with fresh_database() as url, psycopg.connect(url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert tables == (0,)
