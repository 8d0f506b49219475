"""What every test may ask for: a Redis server, a namespace of its own in it, the other servers by mark."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from django.conf import UserSettingsHolder, settings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from pytest_django.plugin import DjangoDbBlocker

from example_project.shop.models import Order
from tests.databases import delete_history, history, postgres_history, sqlite_history
from tests.leaks import delete_namespace, undeclared_keys
from tests.postgres import fresh_database
from tests.redis7 import running_redis7
from upnext_django.core.environment import Environment
from upnext_django.embedded import EmbeddedValkey

__all__ = ["history", "postgres_history", "sqlite_history"]

# Hundreds of tests make a user, and the default hasher is slow on purpose.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_REAL_DATABASE = settings.DATABASES["default"]["NAME"]

# Both cores may be busy with other tests' workers: a slow example is not a wrong one.
hypothesis.settings.register_profile("upnext", deadline=None)
hypothesis.settings.load_profile("upnext")


def pytest_runtest_setup() -> None:
    """Let no setting of an earlier test stay.

    Django keeps each setting that was read. A thread that reads one at the moment when override_settings()
    ends may keep what was overridden, for good: DEBUG stayed on, and a worker's URL was not missed.
    """
    for name in settings.__dict__.keys() - {"_wrapped"}:
        settings.__dict__.pop(name, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Fail the last test of a file whose overridden settings stay: all that follow would have them.

    A test that is decorated with override_settings() and has the fixture ``settings`` too puts back the one
    when the other has gone.
    """
    try:
        return (yield)
    finally:
        _take_back_settings(item, nextitem)


def _take_back_settings(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    held = vars(settings)
    if (nextitem is None or nextitem.path != item.path) and isinstance(held["_wrapped"], UserSettingsHolder):
        left = sorted(vars(held["_wrapped"]))
        while isinstance(held["_wrapped"], UserSettingsHolder):
            held["_wrapped"] = held["_wrapped"].default_settings
        pytest.fail(f"{item.path.name} leaves overridden settings behind: {left}")


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """Give the URL of the session's server: ``UPNEXT_TEST_REDIS_URL``, else an embedded Valkey.

    It may be shared with other runs, so a test stays inside its ``namespace``.
    """
    given = os.environ.get("UPNEXT_TEST_REDIS_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="upnext-") as folder:
        server = EmbeddedValkey.ephemeral(Path(folder))
        yield server.ensure()
        server.release()


@pytest.fixture(scope="session")
def redis7_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a Redis 7.0; only for tests marked ``redis7``."""
    with running_redis7(tmp_path_factory.mktemp("redis7")) as url:
        yield url


@pytest.fixture
def namespace(valkey_url: str) -> Iterator[str]:
    """Give a namespace that is this test's alone.

    Fails the test if it leaves keys there that docs/explanation/engine.md does not declare; then all of
    the namespace's keys are deleted.
    """
    name = f"test-{uuid.uuid4().hex}"
    yield name
    with redis.Redis.from_url(valkey_url) as client:
        leaked = undeclared_keys(client, name)
        delete_namespace(client, name)
    assert not leaked, f"keys that the keys table of engine.md does not have: {', '.join(leaked)}"


@pytest.fixture
def environment(valkey_url: str, namespace: str) -> Environment:
    """Give the engine's settings for the test's own namespace."""
    return Environment(redis_url=valkey_url, namespace=namespace)


@pytest.fixture(scope="session")
def test_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Have the test database of "default", also if no test of the run is marked as one that needs it."""
    if connection.settings_dict["NAME"] != _REAL_DATABASE:  # pytest-django has set it up
        yield
        return
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default": False})
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="module")
def committed(test_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Have the test database of "default" for a module that commits, in whichever order modules run."""
    yield
    with django_db_blocker.unblock():
        delete_history("default")
        Order.objects.all().delete()
        User.objects.all().delete()


@pytest.fixture
def rows(committed: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the test commit, as a worker in another process sees nothing else; its rows go with its module."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database; only for tests marked ``postgres``."""
    with fresh_database() as url:
        yield url
