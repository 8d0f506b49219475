"""System checks: each mistake has its id, and nothing is reported where nothing is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core import checks as django_checks
from django.core.checks import registry as check_registry
from django.test import override_settings

from tests.keys import KEY
from upnext_django.checks import TAG
from upnext_django.declare.registry import Registry, registry
from upnext_django.declare.worker import Worker

SQLITE = "django.db.backends.sqlite3"

pytestmark = pytest.mark.usefixtures("shop_alone")


@pytest.fixture
def declared() -> Iterator[Registry]:
    """A registry that holds only what the test declares."""
    with registry.isolated() as empty:
        yield empty


def found(*, deploy: bool = False) -> dict[str, str]:
    """Return id -> message and hint of what the checks of upnext_django say."""
    messages = django_checks.run_checks(tags=[TAG], include_deployment_checks=deploy)
    return {str(message.id): f"{message.msg} {message.hint}" for message in messages}


def test_the_example_project_has_nothing_to_report():
    """In a process of its own: the registry here also holds what other tests declare."""
    manage = [sys.executable, "manage.py", "check", "--fail-level", "WARNING"]
    done = subprocess.run(manage, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("value", "check"),
    [
        ([], "upnext.E001"),
        ({"REDIS_ULR": "x"}, "upnext.E002"),
        ({"REDIS_URL": "localhost"}, "upnext.E003"),
        ({"MAX_CRASHES": "3"}, "upnext.E008"),
        ({"DATABASE": "history"}, "upnext.E007"),
    ],
)
def test_a_mistake_in_the_settings_is_an_error_of_its_kind(value: Any, check: str):
    with override_settings(UPNEXT=value, DEBUG=True):
        assert list(found()) == [check]


def test_the_error_about_an_unknown_key_says_which_was_meant():
    with override_settings(UPNEXT={"REDIS_ULR": "x"}):
        assert "did you mean 'REDIS_URL'?" in found()["upnext.E002"]


def test_the_error_about_a_database_names_those_there_are():
    with override_settings(UPNEXT={"DATABASE": "history"}):
        assert "'default', 'other'" in found()["upnext.E007"]


def test_two_workers_of_one_name_with_other_options_are_an_error_that_names_both_places(declared):
    Worker("mail", concurrency=1)
    Worker("mail", concurrency=2)

    message = found()["upnext.E004"]

    assert "mail" in message
    assert message.count("test_checks.py:") == 2


def test_two_workers_of_one_name_with_equal_options_are_one(declared):
    Worker("mail", concurrency=2)
    Worker("mail", concurrency=2)

    assert "upnext.E004" not in found()


def test_two_tasks_of_one_identity_are_an_error(declared):
    worker = Worker("mail")

    def declare_first() -> None:
        def send() -> None: ...

        send.__qualname__ = "send"
        worker.task(send)

    def declare_second() -> None:
        def send() -> None: ...

        send.__qualname__ = "send"
        worker.task(send)

    declare_first()
    declare_second()

    assert f"{__name__}.send" in found()["upnext.E004"]


def test_a_task_inside_a_function_is_a_warning(declared):
    @Worker("mail").task
    def nested() -> None: ...

    assert "nested" in found()["upnext.W006"]


def test_a_project_without_tasks_is_told_where_they_were_looked_for(declared):
    assert "example_project.shop.tasks" in found()["upnext.W001"]


@override_settings(UPNEXT={}, DEBUG=False)
def test_no_url_without_debug_is_a_warning_and_on_deploy_an_error(monkeypatch):
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)

    assert list(found()) == ["upnext.W003"]
    assert list(found(deploy=True)) == ["upnext.W003", "upnext.E009"]
    assert "UPNEXT_REDIS_URL" in found()["upnext.W003"]


@override_settings(UPNEXT={"REDIS_URL": "redis://localhost"}, DEBUG=False)
def test_a_url_is_enough_for_deploy():
    assert found(deploy=True) == {}


@override_settings(DEBUG=True)
def test_sqlite_as_django_sets_it_up_is_a_warning_that_says_what_to_add(monkeypatch):
    # Not override_settings: Django warns of it, since connections keep what they were made with.
    monkeypatch.setattr(settings, "DATABASES", {"default": {"ENGINE": SQLITE, "NAME": "db.sqlite3"}})

    message = found()["upnext.W004"]

    assert "'transaction_mode': 'IMMEDIATE'" in message
    assert "journal_mode=WAL" in message


@override_settings(DEBUG=True)
@pytest.mark.parametrize(
    "database",
    [
        {"ENGINE": SQLITE, "NAME": ":memory:"},
        {"ENGINE": "django.db.backends.postgresql", "NAME": "db"},
        {
            "ENGINE": SQLITE,
            "NAME": "db.sqlite3",
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
        },
    ],
)
def test_a_database_that_takes_several_writers_is_no_warning(monkeypatch, database: dict[str, Any]):
    monkeypatch.setattr(settings, "DATABASES", {"default": database})

    assert found() == {}


@override_settings(UPNEXT={}, DEBUG=True)
def test_secrets_and_sensitive_arguments_without_keys_are_warnings(declared):
    worker = Worker("payments", secrets=["stripe_key"])

    @worker.task(sensitive=["card"])
    def charge(card: str) -> None: ...

    messages = found()
    with override_settings(UPNEXT={"SECRETS_KEYS": [KEY]}):
        assert not {"upnext.W012", "upnext.W013"} & found().keys()

    assert "'payments' at " in messages["upnext.W012"]
    assert "stripe_key" in messages["upnext.W012"]
    assert "charge has sensitive arguments" in messages["upnext.W013"]


@override_settings(UPNEXT={"SECRETS_KEYS": [KEY]}, DEBUG=True)
def test_keys_without_cryptography_are_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)

    assert "upnext-django[secrets]" in found()["upnext.E010"]


@override_settings(UPNEXT={"SECRETS_KEYS": ["hunter2"]}, DEBUG=True)
def test_a_key_that_is_none_is_an_error_that_does_not_show_it():
    messages = found()

    assert list(messages) == ["upnext.E008"]
    assert "hunter2" not in messages["upnext.E008"]


def test_the_checks_are_registered_under_their_tag():
    assert TAG in check_registry.registry.tags_available()


@override_settings(UPNEXT={"OUTBOX": True, "OUTBOX_DATABASES": ["default", "elsewhere"]}, DEBUG=True)
def test_an_outbox_in_an_unknown_database_is_an_error():
    assert "'elsewhere'" in found()["upnext.E011"]


@override_settings(UPNEXT={"OUTBOX": True, "OUTBOX_DATABASES": ["other"]}, DEBUG=True)
def test_an_outbox_elsewhere_than_in_the_database_of_the_settings_is_a_warning():
    assert "'default'" in found()["upnext.W011"]


@override_settings(UPNEXT={"OUTBOX": True}, DEBUG=True, DATABASE_ROUTERS=[f"{__name__}.NoOutbox"])
def test_an_outbox_that_the_routers_forbid_is_a_warning():
    assert "routers" in found()["upnext.W011"]


class NoOutbox:
    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if app_label == "upnext" else None


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
@override_settings(UPNEXT={"OUTBOX": True}, DEBUG=True)
def test_a_database_whose_outbox_has_no_table_is_a_warning_where_the_command_names_it(monkeypatch):
    monkeypatch.setattr("upnext_django.outbox.databases._TABLE", "upnext_not_there")
    monkeypatch.setattr("upnext_django.outbox.databases._looked", {})

    asked = django_checks.run_checks(tags=[django_checks.Tags.database], databases=["other"])

    named = [message for message in asked if str(message.id).startswith("upnext.")]
    assert [message.id for message in named] == ["upnext.W014"]
    assert "migrate upnext --database other" in str(named[0].hint)
    assert list(found()) == []
