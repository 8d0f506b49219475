"""What a worker does about its secrets before it says that it runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

import upnext_django as upnext
from tests.keys import KEY, OTHER_KEY
from upnext_django.connection import get_broker
from upnext_django.declare.registry import registry
from upnext_django.exceptions import EncryptionError, SecretNotFound
from upnext_django.models import Secret
from upnext_django.operations import secrets
from upnext_django.runtime.options import WorkerOptions
from upnext_django.runtime.process import WorkerProcess

VARIABLES = ("UPNEXT_TEST_ONE", "UPNEXT_TEST_TWO")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def settings(valkey_url: str, namespace: str) -> Iterator[None]:
    with (
        registry.isolated(),
        override_settings(
            UPNEXT={"REDIS_URL": valkey_url, "NAMESPACE": namespace, "SECRETS_KEYS": [KEY], "HISTORY": False}
        ),
    ):
        yield


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what the test changes in the environment."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def start(*workers: upnext.Worker, queues: frozenset[str] | None = None) -> None:
    """Do what a worker does before it claims."""
    WorkerProcess(workers, WorkerOptions(queues=queues), broker=get_broker())


def test_the_secrets_of_all_its_workers_are_put_into_the_environment():
    secrets.put("upnext_test_one", "tulip")
    secrets.put("upnext_test_two", "rose")

    start(
        upnext.Worker("one", secrets=["upnext_test_one"]),
        upnext.Worker("two", secrets=["upnext_test_one", "UPNEXT_TEST_TWO"]),
    )

    assert [os.environ[name] for name in VARIABLES] == ["tulip", "rose"]


def test_all_that_are_missing_are_named_with_who_wants_them_and_nothing_is_put():
    secrets.put("upnext_test_one", "tulip")
    one = upnext.Worker("one", secrets=["upnext_test_one", "gone"])
    two = upnext.Worker("two", secrets=["gone", "lost"])

    with pytest.raises(
        SecretNotFound,
        match=r"Workers 'one', 'two' want the secret 'gone'; Worker 'two' wants the secret 'lost'.*"
        r"set gone and python manage.py upnext_secrets set lost",
    ) as caught:
        start(one, two)

    assert caught.value.names == ("gone", "lost")
    assert "UPNEXT_TEST_ONE" not in os.environ


def test_one_that_no_key_opens_is_named_with_who_wants_it():
    secrets.put("upnext_test_one", "tulip")
    with (
        override_settings(UPNEXT={"REDIS_URL": "redis://localhost:1", "SECRETS_KEYS": [OTHER_KEY]}),
        pytest.raises(EncryptionError, match=r"'one' wants .*'upnext_test_one' cannot be decrypted"),
    ):
        start(upnext.Worker("one", secrets=["upnext_test_one"]))


def test_without_keys_the_start_says_so():
    secrets.put("upnext_test_one", "tulip")
    with (
        override_settings(UPNEXT={"REDIS_URL": "redis://localhost:1"}),
        pytest.raises(EncryptionError, match=r"'one' wants .*there is no key\. Set UPNEXT\['SECRETS_KEYS'\]"),
    ):
        start(upnext.Worker("one", secrets=["upnext_test_one"]))


def test_a_variable_that_is_there_is_replaced_with_a_warning_that_does_not_tell_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("UPNEXT_TEST_ONE", "daisy")
    secrets.put("upnext_test_one", "tulip")

    with caplog.at_level(logging.WARNING, "upnext.worker"):
        start(upnext.Worker("one", secrets=["upnext_test_one"]))
        start(upnext.Worker("one", secrets=["upnext_test_one"]))

    assert os.environ["UPNEXT_TEST_ONE"] == "tulip"
    assert [record.getMessage() for record in caplog.records if record.name == "upnext.worker"] == [
        "the secret upnext_test_one replaces another value of UPNEXT_TEST_ONE in the environment"
    ]


def test_a_variable_alone_is_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UPNEXT_TEST_ONE", "daisy")

    with pytest.raises(SecretNotFound, match="upnext_test_one"):
        start(upnext.Worker("one", secrets=["upnext_test_one"]))


def test_what_it_does_not_serve_it_does_not_ask_for():
    here, elsewhere = upnext.Worker("here"), upnext.Worker("elsewhere", secrets=["gone"])

    @here.task
    async def do() -> None: ...

    @elsewhere.task
    async def do_more() -> None: ...

    start(here)
    start(here, elsewhere, queues=frozenset({"here"}))
    with pytest.raises(SecretNotFound):
        start(here, elsewhere, queues=frozenset({"here", "elsewhere"}))


def test_the_command_ends_with_the_sentence_and_before_its_screen(capsys: pytest.CaptureFixture[str]):
    worker = upnext.Worker("one", secrets=["gone"])

    @worker.task
    async def do() -> None: ...

    with pytest.raises(CommandError, match=r"'one' wants the secret 'gone'.*upnext_secrets set gone"):
        call_command("upnext_worker")

    assert "Queues" not in capsys.readouterr().out


def test_a_burst_finds_them_and_the_screen_names_them(capsys: pytest.CaptureFixture[str]):
    secrets.put("upnext_test_one", "tulip")
    worker = upnext.Worker("one", secrets=["upnext_test_one"])

    @worker.task
    async def do() -> None: ...

    call_command("upnext_worker", "--burst")

    printed = capsys.readouterr()
    assert "Secrets  upnext_test_one" in printed.out
    assert "tulip" not in printed.out + printed.err
    assert Secret.objects.count() == 1
